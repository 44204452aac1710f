// Package routing reads routing.yml, which is an alertmanager.yml.
//
// In: the file, which may be missing. Out: Alertmanager's own configuration, with
// relative file names made relative to the workspace, or Problems.
package routing

import (
	"path/filepath"
	"reflect"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Default sends nothing anywhere: incidents still open, on the page.
const Default = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"

// Read reads the file; on errors the default is returned with the Problems. dir is
// the workspace, against which relative paths of secret files are read.
func Read(dir, file string, data []byte, sink *declare.Problems) *amconfig.Config {
	before := len(*sink)
	doc, ok := yamldoc.One(file, data, sink)
	if len(*sink) > before || !ok { // an empty file declares nothing
		return fallback()
	}
	cfg, err := amconfig.Load(string(data))
	if err != nil {
		*sink = append(*sink, problem(doc, err))
		return fallback()
	}
	resolve(dir, cfg)
	return cfg
}

func fallback() *amconfig.Config {
	cfg, err := amconfig.Load(Default)
	if err != nil {
		panic(err) // a constant of ours
	}
	return cfg
}

var library = yamldoc.Library{
	Want: "a valid Alertmanager configuration", Keys: yamldoc.Keys(reflect.TypeFor[amconfig.Config]()),
	Load: func(data []byte) error {
		_, err := amconfig.Load(string(data))
		return err
	},
}

func problem(doc yamldoc.Node, err error) declare.Problem {
	var names []string
	for _, list := range []string{"receivers", "time_intervals", "mute_time_intervals"} {
		if !doc.Field(list).IsList() {
			continue
		}
		for _, n := range doc.Field(list).List() {
			names = append(names, n.Field("name").Text())
		}
	}
	return library.Explain(doc, err, names...)
}

// resolve makes relative file names relative to the workspace: templates, and the
// files of HTTP clients and of secrets. Which field names a file is told by its type
// and name, so that a receiver which the library gains is covered too.
func resolve(dir string, cfg *amconfig.Config) {
	for i, t := range cfg.Templates {
		if !filepath.IsAbs(t) {
			cfg.Templates[i] = filepath.Join(dir, t)
		}
	}
	walk(reflect.ValueOf(cfg.Global), dir)
	for i := range cfg.Receivers {
		walk(reflect.ValueOf(&cfg.Receivers[i]), dir)
	}
}

type directory interface{ SetDirectory(dir string) }

func walk(v reflect.Value, dir string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || !v.CanInterface() {
			return
		}
		if d, ok := v.Interface().(directory); ok {
			d.SetDirectory(dir)
			return
		}
		if v.Elem().Kind() == reflect.Struct || v.Elem().Kind() == reflect.Pointer {
			walk(v.Elem(), dir)
		}
	case reflect.Slice:
		for i := range v.Len() {
			if e := v.Index(i); e.Kind() == reflect.Struct && e.CanAddr() {
				walk(e.Addr(), dir)
			} else {
				walk(e, dir)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f, t := v.Field(i), v.Type().Field(i)
			switch {
			case !t.IsExported():
			case f.Kind() == reflect.String && strings.HasSuffix(t.Name, "File"):
				if name := f.String(); name != "" && !filepath.IsAbs(name) && f.CanSet() {
					f.SetString(filepath.Join(dir, name))
				}
			case f.Kind() == reflect.Struct && f.CanAddr():
				walk(f.Addr(), dir)
			default:
				walk(f, dir)
			}
		}
	}
}
