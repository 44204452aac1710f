// Package routing reads routing.yml, which is an alertmanager.yml.
package routing

import (
	"path/filepath"
	"regexp"
	"strconv"
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
	docs := yamldoc.Read(file, data, sink)
	if len(*sink) > before {
		return fallback()
	}
	cfg, err := amconfig.Load(string(data))
	if err != nil {
		*sink = append(*sink, problem(file, docs, err))
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

var (
	lined  = regexp.MustCompile(`line (\d+): (.*)`)
	quoted = regexp.MustCompile(`"([^"]+)"`)
)

func problem(file string, docs []yamldoc.Node, err error) declare.Problem {
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := declare.Problem{Position: declare.Position{File: file}, Want: "a valid Alertmanager configuration", Hint: text}
	if m := lined.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
		return p
	}
	// The library names a receiver or a time interval, and no line.
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		for _, d := range docs {
			if pos, ok := d.FindValue(m[1]); ok {
				p.Position, p.Got = pos, m[1]
				return p
			}
		}
	}
	return p
}

// resolve makes relative file names relative to the workspace.
func resolve(dir string, cfg *amconfig.Config) {
	for i, t := range cfg.Templates {
		if !filepath.IsAbs(t) {
			cfg.Templates[i] = filepath.Join(dir, t)
		}
	}
	for _, r := range cfg.Receivers {
		for _, w := range r.WebhookConfigs {
			if w.HTTPConfig != nil {
				w.HTTPConfig.SetDirectory(dir)
			}
		}
		for _, s := range r.SlackConfigs {
			if s.HTTPConfig != nil {
				s.HTTPConfig.SetDirectory(dir)
			}
		}
	}
}
