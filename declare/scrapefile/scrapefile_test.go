package scrapefile

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/file"

	"github.com/evenkeel/evenkeel/declare"
)

const good = `global: {scrape_interval: 30s, external_labels: {site: a}}
scrape_configs:
  - job_name: shop
    scrape_interval: 5s
    static_configs: [{targets: ['127.0.0.1:7081'], labels: {team: shop}}]
  - job_name: discovered
    file_sd_configs: [{files: ['targets/*.json', /etc/targets.yml]}]
    basic_auth: {username: u, password_file: secrets/p}
    relabel_configs: [{source_labels: [__address__], regex: '(.*):.*', target_label: host}]
  - job_name: web
    http_sd_configs: [{url: 'http://127.0.0.1/targets'}]
    dns_sd_configs: [{names: [shop.example.org], type: A, port: 80}]
`

func TestRead(t *testing.T) {
	var problems declare.Problems
	got := Read("/w", "scrape.yml", []byte(good), &problems)
	if len(problems) > 0 || len(got) != 3 {
		t.Fatal(len(got), problems)
	}
	shop, discovered := got[0], got[1]
	if shop.JobName != "shop" || time.Duration(shop.ScrapeInterval) != 5*time.Second || time.Duration(discovered.ScrapeInterval) != 30*time.Second {
		t.Errorf("%s every %s, %s every %s", shop.JobName, shop.ScrapeInterval, discovered.JobName, discovered.ScrapeInterval)
	}
	if shop.ServiceDiscoveryConfigs[0].(discovery.StaticConfig)[0].Labels["team"] != "shop" {
		t.Errorf("%+v", shop.ServiceDiscoveryConfigs)
	}
	files := strings.Join(discovered.ServiceDiscoveryConfigs[0].(*file.SDConfig).Files, " ")
	if files != "/w/targets/*.json /etc/targets.yml" || discovered.HTTPClientConfig.BasicAuth.PasswordFile != "/w/secrets/p" {
		t.Errorf("files %s, password in %s", files, discovered.HTTPClientConfig.BasicAuth.PasswordFile)
	}
	for _, text := range []string{"", "# nothing yet\n", "scrape_configs: []\n", "scrape_configs:\n"} {
		if got := Read("/w", "scrape.yml", []byte(text), &problems); len(problems) > 0 || len(got) != 0 {
			t.Errorf("%q: %v, %v", text, got, problems)
		}
	}
}

func TestMistakes(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var problems declare.Problems
		if got := Read("/w", "s.yml", []byte(text), &problems); got != nil {
			t.Errorf("%s: a configuration that was refused is used", text)
		}
		if got := problems.Error(); got != want {
			t.Errorf("%s\ngot\n%s\nwant\n%s", text, got, want)
		}
	}
	job := "scrape_configs:\n  - job_name: a\n"
	const valid = "expected valid scrape_configs"
	f("scrape_config: []\n", `s.yml:1:1: scrape_config: got "scrape_config", expected one of global, scrape_configs (did you mean "scrape_configs"?)`)
	f("rule_files: []\n", `s.yml:1:1: rule_files: got "rule_files", expected one of global, scrape_configs`)
	f("global: {scrape_intervall: 5s}\n", `s.yml:1:10: got "scrape_intervall", expected a known key (did you mean "scrape_interval"?)`)
	f(job+"    static_config: []\n", `s.yml:3:5: got "static_config", expected a known key (did you mean "static_configs"?)`)
	f(job+"    static_configs: [{targets: ['a:80'], lables: {}}]\n", `s.yml:3:42: got "lables", expected a known key (did you mean "labels"?)`)
	f(job+"    scrape_interval: soon\n", `s.yml:3:22: got "soon", `+valid+` (not a valid duration string: "soon")`)
	f(job+"    scrape_interval: 5s\n    scrape_timeout: 10s\n", `s.yml:4:21: `+valid+` (scrape timeout greater than scrape interval for scrape config with job name "a")`)
	f(job+"  - job_name: b\n  - job_name: a\n", `s.yml:4:15: got "a", `+valid+` (found multiple scrape configs with job name "a")`)
	f("scrape_configs:\n  - static_configs: []\n", `s.yml:2:5: `+valid+` (job_name is empty)`)
	f(job+"    kubernetes_sd_configs: []\n", `s.yml:3:5: scrape_configs[0].kubernetes_sd_configs: got "kubernetes_sd_configs", expected one of static_configs, file_sd_configs, http_sd_configs, dns_sd_configs (other service discovery is not built in: let it write a file for file_sd_configs)`)
	f(job+"    files_sd_configs: []\n", `s.yml:3:5: scrape_configs[0].files_sd_configs: got "files_sd_configs", expected one of static_configs, file_sd_configs, http_sd_configs, dns_sd_configs (did you mean "file_sd_configs"?)`)
	f(job+"    static_configs: [{targets: ['b:80', 'http://a:80']}]\n", `s.yml:3:41: got "http://a:80", `+valid+` ("http://a:80" is not a valid hostname)`)
	f(job+"    relabel_configs: [{action: keeep}]\n", `s.yml:3:32: got "keeep", `+valid+` (unknown relabel action "keeep")`)
	f(job+"    relabel_configs: [{regex: '('}]\n", "s.yml:3:31: "+valid+" (error parsing regexp: missing closing ): `^(?s:()$`)")
	f(job+"    file_sd_configs: [{files: ['a.json', 'a.txt']}]\n", `s.yml:3:42: got "a.txt", `+valid+` (path name "a.txt" is not valid for file discovery)`)
	f(job+"    dns_sd_configs: [{names: [a], type: MMX}]\n", `s.yml:3:41: got "MMX", `+valid+` (invalid DNS-SD records type MMX)`)
	f(job+"    basic_auth: {username: a, password: b, password_file: c}\n", `s.yml:3:59: `+valid+` (at most one of basic_auth password, password_file & password_ref must be configured)`)
	f("scrape_configs: {job_name: a}\n", `s.yml:1:17: scrape_configs: got "a mapping", expected a list`)
	f("scrape_configs: [x]\n", "s.yml:1:1: "+valid+" (cannot unmarshal !!str `x` into config.ScrapeConfig)")
	f("x", `s.yml:1:1: got "x", expected a mapping`)
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("scrape_configs: [{job_name: a, static_configs: [{targets: [&x a]}, {targets: [*x]}]}]\n"))
	f.Add([]byte("global:\n  - \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var problems declare.Problems
		got := Read("/w", "scrape.yml", data, &problems)
		if len(problems) > 0 && got != nil {
			t.Errorf("%d jobs in spite of %v", len(got), problems)
		}
		for _, p := range problems {
			if p.Want == "" || p.File != "scrape.yml" {
				t.Errorf("%+v", p)
			}
		}
	})
}
