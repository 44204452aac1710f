package usage

import (
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// A metric is idle when it has been there for 30 days and in all of them no query and no
// rule has named it.
func TestMetricsThatNobodyNames(t *testing.T) {
	l := NewLedger(start)
	day := 24 * time.Hour
	series := map[string]int{"asked_total": 10, "fits_a_pattern_total": 10, "idle_bucket": 1500, "idle_total": 20}
	of := func(now time.Time) string {
		out := ""
		for _, m := range l.Idle(now) {
			out += m.Name + ";"
		}
		return out
	}
	for d := range 30 {
		l.Stores(series, start.Add(time.Duration(d)*day))
	}
	l.Named([]string{"asked_total", "not_there_total"}, []*regexp.Regexp{regexp.MustCompile("^fits_.*$"), regexp.MustCompile("^.+$")}, start.Add(10*day))
	if got := of(start.Add(29 * day)); got != "" {
		t.Errorf("after 29 days: %s", got)
	}
	series["new_total"] = 5000
	now := start.Add(31 * day)
	l.Stores(series, now)
	file := filepath.Join(t.TempDir(), "usage.json.gz")
	if err := l.Save(file); err != nil {
		t.Fatal(err)
	}
	l, err := Load(file, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := of(now), "idle_bucket;idle_total;"; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	why, ok := l.IdleOf("web", map[string]int{"idle_bucket": 1500, "asked_total": 10}, now)
	if want := "no query and no rule has named 1500 of the 1510 series of web for 30 days, of 1 metrics: most are of idle_bucket (1500)"; !ok || why != want {
		t.Errorf("got %v %s, expected %s", ok, why, want)
	}
	for what, of := range map[string]map[string]int{"few": {"idle_total": 999}, "less than half": {"idle_bucket": 1500, "new_total": 1600}} {
		if why, ok := l.IdleOf("web", of, now); ok {
			t.Errorf("%s: %s", what, why)
		}
	}
	l.Named([]string{"idle_bucket"}, nil, now)
	if got, want := of(now), "idle_total;"; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	delete(series, "idle_total")
	l.Stores(series, now)
	if got := of(now); got != "" {
		t.Errorf("without series: %s", got)
	}
}

func TestQueriesNameWholeWords(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if names(text, "shop") != want {
			t.Errorf("%s: got %v", text, !want)
		}
	}
	for _, text := range []string{`shop`, `{service.name="shop"}`, `service.name:=shop error`, `workshop or shop`, `service.name:in(cart,shop)`} {
		f(text, true)
	}
	for _, text := range []string{``, `workshop`, `{service.name="shop-web"}`, `shop_total`, `shöp`, `üshop`} {
		f(text, false)
	}
}
