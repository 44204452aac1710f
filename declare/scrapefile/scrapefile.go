// Package scrapefile reads scrape.yml: the global and scrape_configs parts of a
// prometheus.yml. Targets come from static, file, HTTP and DNS discovery.
//
// In: the file, which may be missing. Out: Prometheus' own scrape configurations,
// with relative file names made relative to the workspace, or Problems.
package scrapefile

import (
	"log/slog"
	"reflect"
	"slices"
	"strings"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/discovery/file"
	"github.com/prometheus/prometheus/discovery/http"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// The mechanisms register themselves when their package is imported; these are all
// that this program has.
var (
	_ dns.SDConfig
	_ file.SDConfig
	_ http.SDConfig
)

var mechanisms = []string{"static_configs", "file_sd_configs", "http_sd_configs", "dns_sd_configs"}

// Read reads the file. dir is the workspace, for relative file names.
func Read(dir, name string, data []byte, sink *declare.Problems) []*promconfig.ScrapeConfig {
	before := len(*sink)
	doc, ok := yamldoc.One(name, data, sink)
	if !ok {
		return nil
	}
	doc.Only("global", "scrape_configs")
	for _, sc := range doc.Field("scrape_configs").List() {
		for _, k := range sc.Keys() {
			if strings.HasSuffix(k.Text(), "_sd_configs") && !slices.Contains(mechanisms, k.Text()) {
				hint := yamldoc.Suggest(k.Text(), mechanisms)
				if hint == "" {
					hint = "other service discovery is not built in: let it write a file for file_sd_configs"
				}
				k.Problem(k.Text(), "one of "+strings.Join(mechanisms, ", "), hint)
			}
		}
	}
	if len(*sink) > before {
		return nil
	}
	out, err := load(data, dir)
	if err != nil {
		*sink = append(*sink, library.Explain(doc, err))
		return nil
	}
	return out
}

// load is what the library makes of the file.
func load(data []byte, dir string) ([]*promconfig.ScrapeConfig, error) {
	cfg, err := promconfig.Load(string(data), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	cfg.SetDirectory(dir)
	return cfg.GetScrapeConfigs()
}

var library = yamldoc.Library{
	Want: "valid scrape_configs", Keys: append(yamldoc.Keys(reflect.TypeFor[promconfig.Config]()), append(mechanisms, "targets", "labels")...),
	Load: func(data []byte) error {
		_, err := load(data, "")
		return err
	},
}
