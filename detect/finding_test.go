package detect_test

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
)

func TestSeverityOf(t *testing.T) {
	f := func(label string, want detect.Severity) {
		t.Helper()
		if got := detect.SeverityOf(label); got != want {
			t.Errorf("%q: got %s, want %s", label, got, want)
		}
	}
	f("page", detect.Page)
	f("critical", detect.Page)
	f("warning", detect.Ticket)
	f("ticket", detect.Ticket)
	f("", detect.Ticket)
	f("sev3", detect.Ticket)
	f("info", detect.Info)
	f("none", detect.Info)
}

func TestFingerprint(t *testing.T) {
	type labels = map[string]string
	a := detect.MakeFingerprint("rule", labels{"a": "1", "b": "2"})
	if len(a) != 16 || a != detect.MakeFingerprint("rule", labels{"b": "2", "a": "1"}) {
		t.Errorf("%q depends on the order", a)
	}
	for _, other := range []detect.Fingerprint{
		detect.MakeFingerprint("objective", labels{"a": "1", "b": "2"}),
		detect.MakeFingerprint("rule", labels{"a": "1"}),
		detect.MakeFingerprint("rule", labels{"a": "12", "b": ""}),
		detect.MakeFingerprint("rule", labels{"a": "2", "b": "1"}),
		detect.MakeFingerprint("rule", labels{"ab": "12"}),
		detect.MakeFingerprint("rule", nil),
	} {
		if other == a {
			t.Errorf("%q stands for something else too", other)
		}
	}
}

func TestTitle(t *testing.T) {
	f := func(x detect.Finding, want string) {
		t.Helper()
		if got := x.Title(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	f(detect.Finding{Name: "Slow", Service: "checkout", Summary: "it is slow"}, "it is slow")
	f(detect.Finding{Name: "Slow", Service: "checkout"}, "Slow on checkout")
	f(detect.Finding{Name: "Slow"}, "Slow")
	x := detect.Finding{ID: 12}
	if !x.Open() || x.Ref() != "finding/12" {
		t.Errorf("%v, %s", x.Open(), x.Ref())
	}
	x.ResolvedAt = time.Unix(1, 0)
	if x.Open() {
		t.Error("resolved, and still open")
	}
}
