// Package scrapefile reads scrape.yml: the global and scrape_configs parts of a
// prometheus.yml. Targets come from static, file, HTTP and DNS discovery.
package scrapefile

import (
	"log/slog"
	"regexp"
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
	docs := yamldoc.Read(name, data, sink)
	if len(docs) == 0 {
		return nil
	}
	docs[0].Only("global", "scrape_configs")
	for _, sc := range docs[0].Field("scrape_configs").List() {
		for _, k := range sc.Keys() {
			if strings.HasSuffix(k.Text(), "_sd_configs") && !contains(mechanisms, k.Text()) {
				k.Problem(k.Text(), "one of "+strings.Join(mechanisms, ", "), yamldoc.Suggest(k.Text(), mechanisms))
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
	text := strings.Join(strings.Fields(err.Error()), " ")
	p := declare.Problem{Position: declare.Position{File: name}, Want: "valid scrape_configs", Hint: text}
	if m := regexp.MustCompile(`line (\d+): (.*)`).FindStringSubmatch(text); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Hint = m[2]
	} else {
		for _, m := range regexp.MustCompile(`"([^"]+)"`).FindAllStringSubmatch(text, -1) {
			if pos, ok := docs[0].FindValue(m[1]); ok {
				p.Position = pos
				break
			}
		}
	}
	*sink = append(*sink, p)
	return nil
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
