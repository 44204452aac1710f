package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// box draws one with the mouse on the first chart inside of something, from one share of
// its width to another, and returns the times that stand there.
func (v *visitor) box(where string, from, to float64) (begin, end time.Time) {
	v.t.Helper()
	type chart struct{ X, Y, Width, Height, From, To float64 }
	var c chart
	v.until("a chart", func() bool {
		var err error
		c, err = eval[chart](v, fmt.Sprintf(`(() => { const over = document.querySelector(%q), plot = over.closest("[data-chart]");
			over.scrollIntoView({block: "center"});
			const b = over.getBoundingClientRect(), d = JSON.parse(document.getElementById("chart-" + plot.dataset.chart).textContent);
			return {X: b.left, Y: b.top, Width: b.width, Height: b.height, From: d.from, To: d.to}; })()`, where+" .u-over"))
		return err == nil && c.Width > 100
	})
	y := c.Y + c.Height/2
	v.do("draw a box", chromedp.DragAndDropXY(c.X+from*c.Width, y, c.X+to*c.Width, y))
	at := func(share float64) time.Time {
		return time.UnixMilli(int64(1000 * (c.From + share*(c.To-c.From)))).UTC()
	}
	return at(from), at(to)
}

// shows waits until the address has these times, give or take a few points on the screen,
// and returns the rest of the address.
func (v *visitor) shows(begin, end time.Time, slack time.Duration) url.Values {
	v.t.Helper()
	var q url.Values
	near := func(name string, want time.Time) bool {
		got, err := time.Parse(time.RFC3339, q.Get(name))
		return err == nil && got.Sub(want).Abs() <= slack
	}
	v.until(fmt.Sprintf("an address from %s to %s", begin, end), func() bool {
		u, err := url.Parse(v.path())
		if err != nil {
			v.t.Fatal(err)
		}
		q = u.Query()
		return near("from", begin) && near("to", end)
	})
	return q
}

// TestBrowserBox: a box drawn on a chart becomes the time of the page; over lines it asks
// what is different in it.
func TestBrowserBox(t *testing.T) {
	p := newProcess(t)
	p.declare(map[string]string{"dashboards/machine.yml": machineBoard, "evenkeel.yml": "otlp: {grpc: \"off\"}\nhost: {interval: 1s}\n"})
	p.accounts("carol")
	p.start()
	base := "http://" + p.addr
	// Orders fail in ten of thirty minutes, and all that do are of one region.
	var lines strings.Builder
	now := time.Now().UTC()
	for s := 0; s < 1800; s += 5 {
		at := now.Add(time.Duration(s-1800) * time.Second)
		severity, region := "info", []string{"us", "eu", "asia"}[s/5%3]
		if s > 600 && s < 1200 && region == "eu" {
			severity = "error"
		}
		fmt.Fprintf(&lines, `{"_time":%q,"_msg":"an order","service.name":"shop","severity":%q,"region":%q}`+"\n", at.Format(time.RFC3339Nano), severity, region)
	}
	res, err := http.Post(base+"/insert/jsonline?_stream_fields=service.name", "application/stream+json", strings.NewReader(lines.String()))
	if err != nil {
		t.Fatal(err)
	}
	if _ = res.Body.Close(); res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	v := signIn(t, chromium(t), base, "carol")
	v.do("use a desk", chromedp.EmulateViewport(1280, 900))
	v.open("/explore?" + url.Values{"logs": {"service.name:shop severity:error"}, "range": {"30m"}}.Encode())
	begin, end := v.box("main", 0.25, 0.75)
	q := v.shows(begin, end, 20*time.Second)
	if q.Get("logs") != "service.name:shop severity:error" || q.Get("differ") != "1" || q.Has("range") {
		t.Errorf("the address says %v", q)
	}
	v.sees("that the query finds, beside")
	different, err := eval[string](v, `[...document.querySelectorAll("main section")].find(s => s.textContent.startsWith("What is different"))?.querySelector("table")?.innerText`)
	if err != nil || !strings.Contains(different, "region") || !strings.Contains(different, "eu") {
		t.Errorf("what is different: %q, %v", different, err)
	}
	v.fits()
	v.picture("box")

	// Metrics have no lines to compare.
	v.open("/explore?" + url.Values{"expr": {"up"}, "range": {"30m"}}.Encode())
	begin, end = v.box("main", 0.5, 0.9)
	if q := v.shows(begin, end, 20*time.Second); q.Get("expr") != "up" || q.Has("differ") {
		t.Errorf("the address says %v", q)
	}

	v.open("/dashboards/machine?mode=idle")
	begin, end = v.box("#board", 0.2, 0.6)
	if q := v.shows(begin, end, 8*time.Second); q.Get("mode") != "idle" {
		t.Errorf("the address says %v", q)
	}
}
