// Package scrapefile reads scrape.yml: the global and scrape_configs parts of a
// prometheus.yml. Targets come from static, file, HTTP and DNS discovery.
//
// In: the file, which may be missing. Out: Prometheus' own scrape configurations,
// with relative file names made relative to the workspace, or Problems.
package scrapefile

import (
	"log/slog"
	"regexp"
	"slices"
	"strconv"
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
	cfg, err := promconfig.Load(string(data), slog.New(slog.DiscardHandler))
	if err == nil {
		cfg.SetDirectory(dir)
		var out []*promconfig.ScrapeConfig
		if out, err = cfg.GetScrapeConfigs(); err == nil {
			return out
		}
	}
	*sink = append(*sink, problem(name, doc, err))
	return nil
}

var (
	lined  = regexp.MustCompile(`line (\d+): (.*)`)
	quoted = regexp.MustCompile(`"([^"]+)"`)
)

// problem finds the line in the library's error, or the job that it quotes.
func problem(name string, doc yamldoc.Node, err error) declare.Problem {
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := declare.Problem{Position: declare.Position{File: name}, Want: "valid scrape_configs", Hint: text}
	if m := lined.FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
		return p
	}
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		if pos, ok := doc.FindValue(m[1]); ok {
			p.Position, p.Got = pos, m[1]
			return p
		}
	}
	return p
}
