package usage

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func kinds(gaps []Gap) string {
	out := ""
	for _, g := range gaps {
		out += fmt.Sprintf("%s %s %s;", g.Service, g.Signal, g.Kind)
	}
	return out
}

func TestLedger(t *testing.T) {
	l := NewLedger(start)
	checkout, cart := Key{Logs, "checkout", "otlp"}, Key{Logs, "cart", "loki"}
	for h := range 6 {
		at := start.Add(time.Duration(h) * time.Hour)
		l.Took(checkout, "10.0.0.1", 10, 900, at)
		l.Took(checkout, "10.0.0.2", 10, 600, at)
		l.Took(cart, "10.0.0.1", 5, 500, at)
	}
	l.Used(Logs, `{service.name="checkout"} severity:error`, start.Add(time.Hour))
	now := start.Add(5*time.Hour + time.Minute)
	r := l.Report(start, now, now)
	if len(r) != 2 || r[0].Service != "checkout" || r[0].Senders != 2 || r[0].Rows != 120 || r[0].Share != 0.75 || r[0].State != Flowing || !r[0].LastUsed.Equal(start.Add(time.Hour)) || r[1].Unused {
		t.Errorf("%+v", r)
	}
	expects := map[string][]string{"checkout": {Logs, Traces}}
	if got, want := kinds(l.Gaps(expects, now)), "checkout traces missing;"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	now = now.Add(time.Hour)
	l.Took(checkout, "10.0.0.1", 1, 1, now)
	if got, want := kinds(l.Gaps(nil, now)), "cart logs stopped;"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	file := filepath.Join(t.TempDir(), "usage.json.gz")
	if err := l.Save(file); err != nil {
		t.Fatal(err)
	}
	again, err := Load(file, now)
	if err != nil || fmt.Sprint(again.Report(start, now, now)) != fmt.Sprint(l.Report(start, now, now)) {
		t.Errorf("after a restart %v: %v", again.Report(start, now, now), err)
	}
	// A month later: checkout flows on, and was asked for long ago.
	later := start.Add(40 * 24 * time.Hour)
	again.Took(checkout, "10.0.0.1", 1, 1, later)
	if got, want := kinds(again.Gaps(nil, later)), "checkout logs unused;"; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	again.Used(Logs, `{service.name="checkout"}`, later)
	if got, want := kinds(again.Gaps(nil, later)), ""; got != want {
		t.Errorf("got %q, expected %q", got, want)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none"), now); err != nil {
		t.Error(err)
	}
}
