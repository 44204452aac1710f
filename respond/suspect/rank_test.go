package suspect

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

var onset = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// estate is a made-up system: front calls shop and user, shop calls pay and stock, all
// are measured each 15 s for two hours before the onset and ten minutes after.
type estate struct {
	rng   *rand.Rand
	c     Case
	until time.Duration
}

var services = []string{"front", "shop", "user", "pay", "stock", "mail"}

// measures are the metrics of each service, with their usual level.
var measures = []struct {
	name  string
	level float64
}{{"cpu_usage", 0.3}, {"error_ratio", 0.001}, {"latency_ms_mean", 40}, {"memory_bytes", 2e8}, {"requests", 200}}

func newEstate(seed uint64) *estate {
	e := &estate{rng: rand.New(rand.NewPCG(seed, 1)), until: 10 * time.Minute}
	e.c = Case{Onset: onset, Target: "front", Edges: []Edge{{"front", "shop"}, {"front", "user"}, {"shop", "pay"}, {"shop", "stock"}, {"shop", "mail"}}}
	for _, s := range services {
		for _, m := range measures { // in order: the same noise each time
			e.c.Signals = append(e.c.Signals, e.series(s, m.name, m.level))
		}
	}
	return e
}

func (e *estate) series(resource, metric string, level float64) Signal {
	s := Signal{Resource: resource, Metric: metric}
	for at := onset.Add(-2 * time.Hour); at.Before(onset.Add(e.until)); at = at.Add(15 * time.Second) {
		s.Times = append(s.Times, at.UnixMilli())
		s.Values = append(s.Values, level*(1+0.05*e.rng.NormFloat64()))
	}
	return s
}

// move shifts a signal from a time on, in shares of its level.
func (e *estate) move(resource, metric string, from time.Time, by float64) {
	for i := range e.c.Signals {
		s := &e.c.Signals[i]
		if s.Resource != resource || s.Metric != metric {
			continue
		}
		lo, _ := s.Between(from, onset.Add(time.Hour))
		for k := lo; k < len(s.Values); k++ {
			s.Values[k] *= 1 + by
		}
	}
}

// burn lets pay burn its CPU, and those above it suffer.
func (e *estate) burn(from time.Time) {
	e.move("pay", "cpu_usage", from, 2)
	for _, s := range []string{"pay", "shop", "front"} {
		e.move(s, "latency_ms_mean", from, 3)
	}
}

func (e *estate) change(id, resource string, before time.Duration) {
	e.c.Changes = append(e.c.Changes, Change{ID: id, Kind: "deploy", Resources: []string{resource}, At: onset.Add(-before)})
}

// first is the first suspect as resource and change, or "nobody".
func first(r Result) string {
	if r.Verdict == Nobody {
		return "nobody"
	}
	s := r.Suspects[0]
	if s.Change == nil {
		return s.Resource
	}
	return s.Resource + " " + s.Change.ID
}

func TestRank(t *testing.T) {
	f := func(name, want string, make func(e *estate)) {
		t.Helper()
		for seed := range uint64(4) {
			e := newEstate(seed)
			make(e)
			r := Rank(e.c)
			if got := first(r); got != want {
				t.Errorf("%s, seed %d: got %s, want %s; %s", name, seed, got, want, list5(r))
			}
		}
	}
	f("quiet", "nobody", func(*estate) {})
	f("quiet, though others changed something", "nobody", func(e *estate) {
		for i, s := range services {
			e.change(fmt.Sprint("c", i), s, time.Duration(i*40)*time.Second)
		}
	})
	f("the cause moves its own and its outward signals, victims only the outward ones", "pay", func(e *estate) { e.burn(onset) })
	f("the change that did it", "pay guilty", func(e *estate) { e.burn(onset); e.change("guilty", "pay", 40*time.Second) })
	f("an old innocent change is not named", "pay", func(e *estate) { e.burn(onset); e.change("old", "pay", 5*time.Hour) })
	f("an old innocent change beside the one that did it", "pay guilty", func(e *estate) {
		e.burn(onset)
		e.change("old", "pay", 3*time.Hour)
		e.change("guilty", "pay", time.Minute)
	})
	f("bystanders changed right before the onset", "pay guilty", func(e *estate) {
		e.burn(onset)
		e.change("guilty", "pay", 3*time.Minute)
		for i, s := range []string{"front", "shop", "user", "stock", "mail"} {
			e.change(fmt.Sprint("b", i), s, time.Duration(5+10*i)*time.Second)
		}
	})
	f("bystanders, and the cause changed nothing", "pay", func(e *estate) {
		e.burn(onset)
		for i, s := range []string{"front", "shop", "user", "stock", "mail"} {
			e.change(fmt.Sprint("b", i), s, time.Duration(5+10*i)*time.Second)
		}
	})
	for _, late := range []time.Duration{time.Minute, 3 * time.Minute, 6 * time.Minute, 10 * time.Minute} {
		f("detected late by "+late.String(), "pay guilty", func(e *estate) {
			e.burn(onset.Add(-late))
			e.change("guilty", "pay", late+time.Minute)
			e.change("bystander", "shop", late/2)
		})
	}
	f("the slow one without signals of its own: time is lost in it", "pay", func(e *estate) {
		e.c.Signals = slices.DeleteFunc(e.c.Signals, func(s Signal) bool { return s.Metric == "cpu_usage" || s.Metric == "memory_bytes" })
		e.burn(onset)
	})
	f("a thing that nobody watches was changed", "flags on", func(e *estate) {
		e.c.Edges = append(e.c.Edges, Edge{"front", "flags"})
		for _, m := range []string{"latency_ms_mean", "error_ratio"} {
			e.move("front", m, onset, 0.9)
		}
		e.change("on", "flags", 30*time.Second)
	})
	f("no target and no graph", "pay", func(e *estate) { e.burn(onset); e.c.Target, e.c.Edges = "", nil })
	f("a target that the graph lacks", "pay", func(e *estate) {
		e.move("pay", "cpu_usage", onset, 0.25)
		e.c.Target = "checkout-page"
	})
	f("no onset", "pay", func(e *estate) { e.burn(onset); e.c.Onset = time.Time{} })
	f("gaps", "pay", func(e *estate) {
		e.burn(onset)
		for i := range e.c.Signals {
			s := &e.c.Signals[i]
			for k := range s.Values {
				if e.rng.IntN(3) == 0 {
					s.Values[k] = math.NaN()
				}
			}
			s.clean()
		}
	})
	f("changes only", "front a", func(e *estate) {
		e.c.Signals = nil
		e.change("a", "front", time.Minute)
		e.change("b", "front", 2*time.Hour)
	})
	f("changes only, itself before a dependency", "front a", func(e *estate) {
		e.c.Signals = nil
		e.change("p", "shop", time.Minute)
		e.change("a", "front", time.Minute)
	})
}

func list5(r Result) string {
	var out []string
	for _, s := range r.Suspects[:min(5, len(r.Suspects))] {
		line := fmt.Sprintf("%s %.2f", s.Resource, s.Score)
		for _, e := range s.Evidence {
			line += "; " + e.Text
		}
		out = append(out, line)
	}
	return strings.Join(out, " | ")
}

// TestSuspectsSaySomething: scores are in [0,1] and fall, and each has evidence.
func TestSuspectsSaySomething(t *testing.T) {
	e := newEstate(3)
	e.burn(onset)
	e.change("guilty", "pay", time.Minute)
	r := Rank(e.c)
	if r.Verdict != Suspects || len(r.Suspects) == 0 {
		t.Fatal(r)
	}
	last := 1.0
	for _, s := range r.Suspects {
		if s.Score <= 0 || s.Score > last || len(s.Evidence) == 0 {
			t.Errorf("%+v after %v", s, last)
		}
		last = s.Score
	}
	s := r.Suspects[0]
	for _, want := range []string{"deploy of pay", "before its signals moved", " rose from "} {
		if !strings.Contains(s.Reason("front"), want) {
			t.Errorf("got %q, want %q in it", s.Reason("front"), want)
		}
	}
	if off := s.At.Sub(onset).Abs(); off > 2*time.Minute {
		t.Errorf("it moved at %v", s.At)
	}
}

// TestTheSameCaseGivesTheSameList, and the case is left as it was.
func TestTheSameCaseGivesTheSameList(t *testing.T) {
	e := newEstate(5)
	e.burn(onset)
	want := list5(Rank(e.c))
	for range 3 {
		if got := list5(Rank(e.c)); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

// TestPast: what was confirmed and rejected before moves a score, and not without bound.
func TestPast(t *testing.T) {
	score := func(p respond.Past) float64 {
		e := newEstate(2)
		e.c.Signals, e.c.Past = nil, p
		e.change("a", "front", time.Minute)
		return Rank(e.c).Suspects[0].Score
	}
	even := score(respond.Past{})
	up := score(respond.Past{Resources: map[string]respond.Record{"front": {Confirmed: 9}}})
	down := score(respond.Past{Kinds: map[string]respond.Record{"deploy": {Rejected: 9}}})
	if !(down < even && even < up) {
		t.Errorf("rejected %v, none %v, confirmed %v", down, even, up)
	}
	if f := (respond.Record{Rejected: 1_000_000}).Factor(); f < 0.5 || f > 0.51 {
		t.Errorf("a million rejections: %v", f)
	}
}

// TestSureBlamesTheChange: when an objective pages, a fresh change of the service is
// told though no signal that is read moved.
func TestSureBlamesTheChange(t *testing.T) {
	e := newEstate(1)
	e.change("a", "front", time.Minute)
	if got := first(Rank(e.c)); got != "nobody" {
		t.Errorf("not sure: got %s", got)
	}
	e.c.Sure = true
	if got := first(Rank(e.c)); got != "front a" {
		t.Errorf("sure: got %s", got)
	}
}

func TestLogs(t *testing.T) {
	e := newEstate(4)
	e.c.Signals = nil
	say := func(resource, severity, body string, from, every time.Duration) {
		for at := from; at < 10*time.Minute; at += every {
			e.c.Logs = append(e.c.Logs, Log{At: onset.Add(at), Resource: resource, Severity: severity, Body: body})
		}
	}
	for i := range 40 {
		say("shop", "info", fmt.Sprintf("order %d taken in 12ms", i), time.Duration(-60+i)*time.Minute, time.Hour)
	}
	say("shop", "warn", "cache miss for basket 4711", -time.Hour, time.Minute)
	if got := first(Rank(e.c)); got != "nobody" {
		t.Fatalf("usual records: got %s", got)
	}
	say("shop", "error", "cannot reach pay: connection refused", 5*time.Second, 20*time.Second)
	say("pay", "fatal", "out of memory: killed process 4242", 0, 30*time.Second)
	r := Rank(e.c)
	if got := first(r); got != "pay" {
		t.Errorf("got %s, want pay: shop only complains of it; %s", got, list5(r))
	}
	if text := r.Suspects[0].Evidence[0].Text; !strings.Contains(text, "new log pattern") || !strings.Contains(text, "out of memory") {
		t.Errorf("got %q", text)
	}
}

func TestSpans(t *testing.T) {
	e := newEstate(6)
	e.c.Signals, e.c.Edges = nil, nil
	n := 0
	for at := -time.Hour; at < 10*time.Minute; at += 2 * time.Second {
		n++
		slow := time.Duration(0)
		if at >= 0 {
			slow = 300 * time.Millisecond
		}
		jitter := time.Duration(e.rng.IntN(8)) * time.Millisecond
		trace := fmt.Sprint(n)
		add := func(id, parent, resource string, d time.Duration) {
			e.c.Spans = append(e.c.Spans, Span{At: onset.Add(at), Duration: d, Trace: trace, ID: id, Parent: parent, Resource: resource, Operation: "GET /" + resource})
		}
		add("1", "", "front", 60*time.Millisecond+slow+jitter)
		add("2", "1", "shop", 40*time.Millisecond+slow+jitter)
		add("3", "2", "stock", 10*time.Millisecond+slow)
		add("4", "2", "pay", 10*time.Millisecond)
	}
	r := Rank(e.c)
	if got := first(r); got != "stock" {
		t.Errorf("got %s, want stock, where the time is spent; %s", got, list5(r))
	}
}

// TestFlow: shop goes on being asked and asks no longer: it fails before it gets that
// far. Where it is asked less itself, nobody below is to blame.
func TestFlow(t *testing.T) {
	f := func(name, want string, make func(e *estate)) {
		t.Helper()
		for seed := range uint64(3) {
			e := newEstate(seed)
			make(e)
			if got := first(Rank(e.c)); got != want {
				t.Errorf("%s, seed %d: got %s, want %s", name, seed, got, want)
			}
		}
	}
	f("it stops asking", "shop", func(e *estate) {
		for _, s := range []string{"pay", "stock", "mail"} {
			e.move(s, "requests", onset, -0.9)
		}
	})
	f("fewer customers", "nobody", func(e *estate) {
		for _, s := range services {
			e.move(s, "requests", onset, -0.3)
		}
	})
}

// TestCrossChecks: names, units, noise, gaps in what is measured, a late or early onset
// and changes of bystanders leave the answer as it is.
func TestCrossChecks(t *testing.T) {
	f := func(name string, of func(e *estate)) {
		t.Helper()
		for seed := range uint64(2) {
			e := newEstate(seed)
			e.burn(onset)
			of(e)
			got := Rank(e.c)
			if got.Verdict != Suspects || !strings.HasSuffix(got.Suspects[0].Resource, "pay") {
				t.Errorf("%s, seed %d: got %s, want pay; %s", name, seed, first(got), list5(got))
			}
			q := newEstate(seed + 100)
			of(q)
			if got := Rank(q.c); got.Verdict != Nobody {
				t.Errorf("%s, seed %d, quiet: got %s; %s", name, seed, first(got), list5(got))
			}
		}
	}
	f("other names", func(e *estate) {
		rename := func(s string) string { return "deployment/prod-1/zz-" + s }
		e.c.Target = rename(e.c.Target)
		for i := range e.c.Signals {
			e.c.Signals[i].Resource = rename(e.c.Signals[i].Resource)
		}
		for i, x := range e.c.Edges {
			e.c.Edges[i] = Edge{rename(x.Caller), rename(x.Callee)}
		}
	})
	for _, unit := range []float64{1e-3, 1000, 1 << 20} {
		f(fmt.Sprint("units times ", unit), func(e *estate) {
			for i := range e.c.Signals {
				if s := &e.c.Signals[i]; s.Metric != "error_ratio" {
					for k := range s.Values {
						s.Values[k] *= unit
					}
				}
			}
		})
	}
	f("signals in another order", func(e *estate) {
		e.rng.Shuffle(len(e.c.Signals), func(i, j int) { e.c.Signals[i], e.c.Signals[j] = e.c.Signals[j], e.c.Signals[i] })
	})
	f("half of the signals, those of the cause kept", func(e *estate) {
		n := 0
		e.c.Signals = slices.DeleteFunc(e.c.Signals, func(s Signal) bool { n++; return s.Resource != "pay" && n%2 == 0 })
	})
	f("noise beside it", func(e *estate) {
		for i, s := range services {
			for k := range 10 {
				x := e.series(s, fmt.Sprintf("other_%d_%d", i, k), 50)
				for j := range x.Values {
					x.Values[j] = 50 + 30*e.rng.NormFloat64()
				}
				e.c.Signals = append(e.c.Signals, x)
			}
		}
	})
	f("20 changes of bystanders", func(e *estate) {
		for i := range 20 {
			e.change(fmt.Sprint("b", i), []string{"front", "shop", "user", "stock", "mail"}[i%5], time.Duration(e.rng.IntN(1800))*time.Second)
		}
	})
	for _, by := range []time.Duration{-time.Minute, 2 * time.Minute, 5 * time.Minute} {
		f("an onset off by "+by.String(), func(e *estate) { e.c.Onset = onset.Add(by) })
	}
}

// place is where in the list a resource is first, from 1; 0 where it is not.
func place(r Result, resource string) int {
	return 1 + slices.IndexFunc(r.Suspects, func(s Suspect) bool { return s.Resource == resource })
}

// TestTwoWitnessesTellMoreThanOne: of two that are asked less, the one that two callers
// turn away from comes before the one that only one of them does, though that one's own
// load fell as far; and each says who speaks against it.
func TestTwoWitnessesTellMoreThanOne(t *testing.T) {
	for seed := range uint64(4) {
		e := newEstate(seed)
		e.c.Edges = []Edge{{"front", "shop"}, {"front", "stock"}, {"front", "mail"}, {"shop", "stock"}}
		for _, s := range []string{"stock", "mail"} {
			e.move(s, "requests", onset, -0.8)
		}
		r := Rank(e.c)
		stock, mail := place(r, "stock"), place(r, "mail")
		if stock == 0 || mail == 0 || stock > mail {
			t.Fatalf("seed %d: stock %d, mail %d: %s", seed, stock, mail, list5(r))
		}
		text := ""
		for _, x := range r.Suspects[stock-1].Evidence {
			text += x.Text + "; "
		}
		for _, want := range []string{"front asks it less", "shop asks it less"} {
			if !strings.Contains(text, want) {
				t.Errorf("seed %d: got %s, want %q in it", seed, text, want)
			}
		}
	}
}

// TestManyChangesOfOneDoNotPushOthersDown: they share what speaks for their resource,
// and come after others that moved nearly as far.
func TestManyChangesOfOneDoNotPushOthersDown(t *testing.T) {
	e := newEstate(1)
	e.burn(onset)
	e.move("mail", "cpu_usage", onset, 3)
	before := place(Rank(e.c), "mail")
	for i := range 5 {
		e.change(fmt.Sprint("c", i), "pay", time.Duration(40+i)*time.Second)
	}
	r := Rank(e.c)
	var of []float64
	for _, s := range r.Suspects {
		if s.Resource == "pay" {
			of = append(of, s.Score)
		}
	}
	if len(of) < 2 {
		t.Fatalf("got %d of pay: %s", len(of), list5(r))
	}
	if got := place(r, "mail"); before == 0 || got != before {
		t.Errorf("mail was %d, is %d with five changes of pay (%v): %s", before, got, of, list5(r))
	}
}
