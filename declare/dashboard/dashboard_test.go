package dashboard

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

const good = `title: Checkout
description: What users get.
service: checkout
range: 6h
variables:
  - {name: job, label: job, of: up, multi: true, all: true}
  - {name: instance, label: instance, of: 'up{job=~"$job"}'}
  - {name: quantile, values: ["0.5", "0.99"], default: "0.99"}
  - {name: host, field: host.name, in: 'service.name:="checkout"', match: '^(.+)\.local$'}
  - {name: words, text: true}
rows:
  - title: Requests
    panels:
      - title: Requests a second
        unit: req/s
        thresholds: [{value: 100, level: bad}, {value: 50, level: warn, label: busy}]
        queries:
          - {promql: 'sum by (job) (rate(http_requests_total{job=~"$job"}[$__rate_interval]))', legend: '{{job}}'}
      - {title: Slow, type: stat, unit: seconds, max: 2, queries: [{promql: 'histogram_quantile($quantile, sum by (le) (rate(d_bucket{instance="$instance"}[5m])))'}]}
      - {title: Lines, type: bar, queries: [{logsql: 'service.name:="checkout" | stats by (severity) count() lines'}]}
  - title: Why
    collapsed: true
    repeat: job
    panels:
      - {type: logs, queries: [{logsql: 'host.name:in($host) $words'}]}
      - {type: text, text: '# Read **this**'}
`

func read(t *testing.T, text string) (*declare.Dashboard, declare.Problems) {
	t.Helper()
	var problems declare.Problems
	d, _ := Read("dashboards/checkout.yml", []byte(text), &problems)
	return d, problems
}

func TestRead(t *testing.T) {
	d, problems := read(t, good)
	if len(problems) > 0 {
		t.Fatal(problems.Error())
	}
	if d.Name != "checkout" || d.Panels() != 5 || time.Duration(d.Range) != 6*time.Hour || time.Duration(d.Refresh) != 30*time.Second {
		t.Errorf("got %+v", d)
	}
	p := d.Rows[0].Panels[0]
	if p.Type != "timeseries" || p.Width != 6 || p.Thresholds[0].Value != 50 {
		t.Errorf("got %+v", p)
	}
}

// TestWriteRead: what is written is read as it was.
func TestWriteRead(t *testing.T) {
	d, _ := read(t, good)
	out, err := Write(d)
	if err != nil {
		t.Fatal(err)
	}
	again, problems := read(t, string(out))
	if len(problems) > 0 {
		t.Fatalf("%s\n%s", problems.Error(), out)
	}
	for _, x := range []*declare.Dashboard{d, again} {
		for i := range x.Rows {
			for j := range x.Rows[i].Panels {
				x.Rows[i].Panels[j].Pos = declare.Position{}
			}
		}
	}
	if !reflect.DeepEqual(d, again) {
		t.Errorf("got\n%+v\nwant\n%+v\nfrom\n%s", again, d, out)
	}
}

func TestProblems(t *testing.T) {
	f := func(from, to, want string) {
		t.Helper()
		text := strings.Replace(good, from, to, 1)
		if text == good {
			t.Fatalf("%q is not in the dashboard", from)
		}
		_, problems := read(t, text)
		if got := problems.Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%q: got\n%s\nwant\n%s", to, got, want)
		}
	}
	f("title: Checkout", "titel: Checkout", `dashboards/checkout.yml:1:1: titel: got "titel", expected one of title,`)
	f("[$__rate_interval]))", "[$__rate_interval])", `dashboards/checkout.yml:18:22: rows[0].panels[0].queries[0].promql: got "sum by (job) (rate(http_requests_total{job=~\"$job\"}[$__rate_interval])", expected PromQL (1:`)
	f("$__rate_interval", "$__rate_intervall", `dashboards/checkout.yml:18:22: rows[0].panels[0].queries[0].promql: got "$__rate_intervall", expected a variable of this dashboard (did you mean "__rate_interval"?)`)
	f(`instance="$instance"`, `instance="$instanz"`, `dashboards/checkout.yml:19:77: rows[0].panels[1].queries[0].promql: got "$instanz", expected a variable of this dashboard (did you mean "instance"?)`)
	f(`{job=~"$job"}[`, `{job="$job"}[`, `dashboards/checkout.yml:18:22: rows[0].panels[0].queries[0].promql: got "$job behind =", expected =~`)
	f(" | stats by (severity) count() lines", "", `dashboards/checkout.yml:20:54: rows[0].panels[2].queries[0].logsql: got "service.name:=\"checkout\"", expected LogsQL that ends in a stats pipe`)
	f("$words'}", "$words | stats count()'}", `dashboards/checkout.yml:25:41: rows[1].panels[0].queries[0].logsql: got "host.name:in($host) $words | stats count()", expected LogsQL that finds lines`)
	f("type: stat", "type: stats", `dashboards/checkout.yml:19:29: rows[0].panels[1].type: got "stats", expected one of`)
	f("level: bad", "level: worst", `dashboards/checkout.yml:16:42: rows[0].panels[0].thresholds[0].level: got "worst", expected one of ok, warn, bad`)
	f("max: 2", "max: two", `dashboards/checkout.yml:19:55: rows[0].panels[1].max: got "two", expected a number`)
	f("name: words", "name: range", `dashboards/checkout.yml:10:12: variables[4].name: got "range", expected another name`)
	f("name: words", "name: job", `dashboards/checkout.yml:10:12: variables[4].name: got "job", expected each variable once`)
	f("text: true}", "values: [a], text: true}", `dashboards/checkout.yml:10:5: variables[4]: expected one of label`)
	f(`default: "0.99"`, `default: "0.9"`, `dashboards/checkout.yml:8:56: variables[2].default: got "0.9", expected one of the values`)
	f(`match: '^(`, `match: '^((`, `dashboards/checkout.yml:9:75: variables[3].match: got "^((.+)\\.local$", expected a regular expression`)
	f("repeat: job", "repeat: jobs", `dashboards/checkout.yml:23:13: rows[1].repeat: got "jobs", expected a variable with values (did you mean "job"?)`)
	f(`of: 'up{job=~"$job"}'`, `of: 'up{job=~"$host"}'`, `dashboards/checkout.yml:7:43: variables[1].of: got "$host", expected a variable of this dashboard`)
	f("range: 6h", "range: 6 hours", `dashboards/checkout.yml:4:8: range: got "6 hours", expected a duration`)
}

func TestExpand(t *testing.T) {
	s := Scope{
		"one": {Values: []string{`a.b"c`}}, "two": {Values: []string{"a.b", "c|d"}}, "mine": {Values: []string{"5.."}, Exact: true},
		"path": {Values: []string{`C:\x`}}, "n": {Values: []string{"5"}, Exact: true},
	}
	f := func(query, want string) {
		t.Helper()
		if got := Expand(query, false, s); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", query, got, want)
		}
	}
	f(`m{a="$one"}`, `m{a="a.b\"c"}`)
	f(`m{a='$one'}`, `m{a='a.b"c'}`)
	f(`m{a=~"$one"}`, `m{a=~"a\\.b\"c"}`)
	f("m{a=~`$one`}", "m{a=~`a\\.b\"c`}")
	f(`m{a=~"$two"}`, `m{a=~"(a\\.b|c\\|d)"}`)
	f(`m{a=~"x-${two}-y"}`, `m{a=~"x-(a\\.b|c\\|d)-y"}`)
	f(`m{a=~"${two:pipe}"}`, `m{a=~"a.b|c|d"}`)
	f(`m{code=~"$mine"}`, `m{code=~"5.."}`)
	f(`m{a="$path"}`, `m{a="C:\\x"}`)
	f(`topk($n, m{a!="\"$n"})`, `topk(5, m{a!="\"5"})`)
	f(`m{a=~"x$"} # "$n`+"\n+ $n", `m{a=~"x$"} # "$n`+"\n+ 5")
	f(`label_replace(m, "x", "$1", "y", "(.*)") $unknown`, `label_replace(m, "x", "$1", "y", "(.*)") $unknown`)
	logs := func(query, want string) {
		t.Helper()
		if got := Expand(query, true, s); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", query, got, want)
		}
	}
	logs(`host:in($two)`, `host:in("a.b","c|d")`)
	logs(`host:=$one`, `host:="a.b\"c"`)
	logs(`host:~"$two"`, `host:~"(a\\.b|c\\|d)"`)
	logs(`_time:${n}m`, `_time:5m`)
}

func TestLegend(t *testing.T) {
	s := Scope{"env": {Values: []string{"prod", "test"}}}
	if got := Legend("{{ pod }} of $env: {{http.status}}{{none}}", map[string]string{"pod": "a", "http.status": "200"}, s); got != "a of prod, test: 200" {
		t.Error(got)
	}
}

func TestTimes(t *testing.T) {
	s := Times(6*time.Hour, 36*time.Second, 15*time.Second)
	for name, want := range map[string]string{"__interval": "36s", "__rate_interval": "1m", "__range": "6h", "__range_s": "21600", "__interval_ms": "36000"} {
		if got := s[name].Values[0]; got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

func FuzzExpand(f *testing.F) {
	f.Add(`m{a=~"$a"}`, `x"}`)
	f.Add("m{a=`${a:regex}`}", "`")
	f.Fuzz(func(t *testing.T, query, value string) {
		s := Scope{"a": {Values: []string{value}}}
		before := promQL.parse(Expand(query, false, Scope{"a": {Values: []string{"x"}}}))
		inQuotes := len(uses(query)) > 0
		for _, u := range uses(query) {
			inQuotes = inQuotes && u.quote != 0 && u.format != "quoted"
		}
		if before != nil || !inQuotes || strings.Contains(value, "\r") {
			return
		}
		// What is chosen stays inside of its quotes: the query is still one. A value may
		// make a regular expression that is none only where it is joined on purpose.
		if err := promQL.parse(Expand(query, false, s)); err != nil && !strings.Contains(err.Error(), "regexp") {
			t.Errorf("%q with %q: %v", query, value, err)
		}
	})
}
