package cli

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// machineBoard is a dashboard of what every server has by itself: its machine's metrics,
// its own, and the lines that are sent to it.
const machineBoard = `title: This machine
range: 5m
refresh: 5s
variables:
  - {name: mode, label: mode, of: node_cpu_seconds_total, multi: true, all: true}
  - {name: said, text: true, default: order}
rows:
  - title: Processor
    panels:
      - {title: 'Processor, $mode', unit: cores, stack: true, width: 8, queries: [{promql: 'sum by (mode) (rate(node_cpu_seconds_total{mode=~"$mode"}[$__rate_interval]))', legend: '{{mode}}'}]}
      - {title: Memory free, type: stat, width: 4, unit: bytes, max: 1e11, thresholds: [{value: 1, level: ok}], queries: [{promql: node_memory_MemAvailable_bytes}]}
      - {title: Busiest, type: bar, unit: cores, queries: [{promql: 'sum by (mode) (rate(node_cpu_seconds_total[1m]))', legend: '{{mode}}'}]}
      - {title: Refused, type: table, queries: [{promql: 'topk(5, sum by (receiver) (evenkeel_observe_samples_total))'}]}
  - title: Lines
    panels:
      - {title: Lines by service, queries: [{logsql: '* | stats by (service.name) count() n', legend: '{{service.name}}'}]}
      - {title: What was said, type: logs, width: 6, queries: [{logsql: '$said'}]}
  - {title: Later, collapsed: true, panels: [{type: text, text: 'Read **on**.'}]}
`

// say sends one line.
func say(t *testing.T, base, service, line string) {
	t.Helper()
	body := fmt.Sprintf(`{"_time":"%s","_msg":%q,"service.name":%q,"severity":"info","_stream":"x"}`, time.Now().UTC().Format(time.RFC3339Nano), line, service)
	res, err := http.Post(base+"/insert/jsonline?_stream_fields=service.name", "application/stream+json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode/100 != 2 {
		t.Fatal(res.Status)
	}
}

// TestBrowserDashboard: a file becomes a page that draws what is stored; the page follows
// its address, and a saved change of the file.
func TestBrowserDashboard(t *testing.T) {
	p := newProcess(t)
	p.declare(map[string]string{"dashboards/machine.yml": machineBoard, "evenkeel.yml": "otlp: {grpc: \"off\"}\nhost: {interval: 1s}\n"})
	p.accounts("carol")
	p.start()
	base := "http://" + p.addr
	say(t, base, "shop", "an order came in")
	say(t, base, "shop", "nothing of interest")
	v := signIn(t, chromium(t), base, "carol")
	v.do("use a desk", chromedp.EmulateViewport(1280, 900))
	v.open("/dashboards")
	v.press("This machine")
	drawn := func() bool {
		n, err := eval[int](v, `[...document.querySelectorAll("#board .u-over")].length`)
		return err == nil && n >= 2
	}
	v.until("two charts", func() bool {
		v.open("/dashboards/machine")
		return drawn() && strings.Contains(v.text("#board"), "idle") && strings.Contains(v.text("#board"), "an order came in") && strings.Contains(v.text("#board"), "GiB")
	})
	if text := v.text("#board"); strings.Contains(text, "nothing of interest") || strings.Contains(text, "Read on") {
		t.Errorf("it shows what it should not:\n%s", text)
	}
	v.fits()
	v.picture("dashboard")
	v.open("/dashboards/machine?said=interest&mode=idle&mode=user&range=15m")
	v.sees("nothing of interest", "Processor, idle, user", "mode: idle, user")
	v.press("▸ Later")
	v.sees("Read on.")
	if at := v.path(); !strings.Contains(at, "open=Later") || !strings.Contains(at, "said=interest") {
		t.Errorf("the address is %s", at)
	}
	// A press on a point leads to what lies behind it.
	if _, err := eval[bool](v, `(() => { const o = document.querySelector("#board .u-over"), b = o.getBoundingClientRect();
		for (const kind of ["mousedown", "mouseup", "click"]) o.dispatchEvent(new MouseEvent(kind, {bubbles: true, clientX: b.right - 4, clientY: b.top + b.height / 2})); return true; })()`); err != nil {
		t.Fatal(err)
	}
	v.sees("the query then")
	v.picture("dashboard-behind")
	v.press("the query then")
	if at := v.path(); !strings.HasPrefix(at, "/explore?expr=sum") || !strings.Contains(at, "from=") {
		t.Errorf("it leads to %s", at)
	}
	v.phone().open("/dashboards/machine")
	v.sees("an order came in")
	v.fits()
	over, err := eval[int](v, `[...document.querySelectorAll(".card")].filter(c => [...c.querySelectorAll(".uplot, svg")].some(x => x.getBoundingClientRect().right > c.getBoundingClientRect().right + 1)).length`)
	if err != nil || over > 0 {
		t.Errorf("%d cards are too small for their charts (%v)", over, err)
	}
	v.picture("dashboard-phone")
	p.declare(map[string]string{"dashboards/machine.yml": strings.Replace(machineBoard, "title: This machine", "title: That machine", 1)})
	v.finds("/dashboards/machine", "That machine")
}

// TestBrowserTail: a line that is sent after the page was opened is seen; while it is
// paused none is; a view of it is saved, and found again after a restart.
func TestBrowserTail(t *testing.T) {
	p := newProcess(t)
	p.accounts("carol")
	p.start()
	base := "http://" + p.addr
	v := signIn(t, chromium(t), base, "carol")
	v.do("use a desk", chromedp.EmulateViewport(1280, 900))
	v.open(`/explore?logs=service.name%3Ashop`)
	v.press("As they come")
	v.sees("Lines as they come", "live, 0 lines")
	say(t, base, "shop", "the first order <b>came</b>")
	say(t, base, "bank", "nobody asked for this")
	v.sees("the first order <b>came</b>", "live, 1 lines")
	v.do("pause", chromedp.Click(chromedp.CSS(`#tail [data-pause]`)))
	say(t, base, "shop", "the second order came")
	v.sees("paused, 1 new")
	if text := v.text("#tail"); strings.Contains(text, "second") || strings.Contains(text, "nobody asked") {
		t.Errorf("it shows what it should not:\n%s", text)
	}
	v.do("go on", chromedp.Click(chromedp.CSS(`#tail [data-pause]`)))
	v.sees("the second order came")
	v.fill(`#tail input`, "second")
	v.until("the filter", func() bool {
		text := v.text("#tail ol")
		return strings.Contains(text, "second") && !strings.Contains(text, "first")
	})
	v.fits()
	v.picture("tail")
	v.unfold("Save this view")
	v.fill(`#view-name`, "orders")
	v.press("Save")
	v.sees("Saved.", "Lines as they come")
	v.open("/views")
	v.sees("orders", "carol")
	v.picture("views")
	p.kill()
	p.start()
	v.open("/views")
	v.press("orders")
	v.sees("Lines as they come")
	if at := v.path(); !strings.HasPrefix(at, "/explore?logs=service.name%3Ashop&tail=1") {
		t.Errorf("the view leads to %s", at)
	}
	v.open("/views")
	v.press("Remove")
	v.sees("None yet")
	v.phone().open(`/explore?logs=service.name%3Ashop&tail=1`)
	v.sees("the second order came")
	v.fits()
	v.picture("tail-phone")
}
