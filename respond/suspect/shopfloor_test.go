package suspect

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// shopfloor makes spans and log records of requests to the services of an estate, each
// of which answers, calls what it depends on, and writes down what it does.
type shopfloor struct {
	rng     *rand.Rand
	fault   string // of kind, at the service, from the onset for three minutes
	at      string
	every   time.Duration
	clients bool // a client's span around each call
	spans   []Span
	logs    []Log
	n       int
	trace   string
}

var calls = map[string][]string{"front": {"user", "shop"}, "shop": {"stock", "pay", "mail"}}

func (f *shopfloor) say(at time.Time, who, severity, format string, args ...any) {
	f.logs = append(f.logs, Log{At: at, Resource: who, Severity: severity, Body: fmt.Sprintf(format, args...)})
}

// serve is one request at a service; it returns how long it took and whether it failed.
func (f *shopfloor) serve(at time.Time, who, parent string, quiet bool) (time.Duration, bool) {
	f.n++
	id, order := fmt.Sprint("s", f.n), f.rng.IntN(1e6)
	own := time.Duration(2e6 + f.rng.ExpFloat64()*2e6)
	ill := !quiet && who == f.at
	if ill && f.fault == "cpu" {
		own *= 12
	}
	f.say(at, who, "info", "handling order %d for user u%d", order, order%97)
	took, failed := own, false
	if ill && f.fault == "exception" {
		f.say(at.Add(took), who, "info", "java.lang.IllegalStateException: basket of order %d is locked", order)
		failed = true
	}
	early := ill && (f.fault == "exception" || f.fault == "return")
	if !early {
		for _, callee := range calls[who] {
			f.say(at.Add(took), who, "info", "asking %s about order %d", callee, order)
			f.n++
			client := fmt.Sprint("c", f.n)
			way := time.Duration(4e5 + f.rng.ExpFloat64()*3e5)
			if !quiet && f.fault == "network" && (callee == f.at || who == f.at) {
				way += 60 * time.Millisecond
			}
			up := id
			if f.clients {
				up = client
			}
			d, bad := f.serve(at.Add(took+way/2), callee, up, quiet)
			if f.clients {
				f.spans = append(f.spans, Span{At: at.Add(took), Duration: d + way, Trace: f.trace, ID: client, Parent: id, Resource: who, Operation: "ask " + callee, Failed: bad})
			}
			took += d + way
			if bad {
				f.say(at.Add(took), who, "error", "call failed: Internal: order %d", order)
				failed = true
				break
			}
		}
		if !failed {
			f.say(at.Add(took), who, "info", "order %d done in %d ms", order, took.Milliseconds())
		}
	}
	f.spans = append(f.spans, Span{At: at, Duration: took, Trace: f.trace, ID: id, Parent: parent, Resource: who, Operation: "serve", Failed: failed})
	return took, failed
}

func (f *shopfloor) run() Case {
	for at := -9 * time.Minute; at < 4*time.Minute; at += f.every/2 + time.Duration(f.rng.Int64N(int64(f.every))) {
		f.trace = fmt.Sprint("t", at)
		ill := at >= 0 && at < 3*time.Minute && f.fault != ""
		f.serve(onset.Add(at), "front", "", !ill)
	}
	return Case{Onset: onset, Spans: f.spans, Logs: f.logs}
}

// TestShopfloor: faults of services that spans, records, or both tell of.
func TestShopfloor(t *testing.T) {
	f := func(fault, at string, seed uint64, clients bool, of func(c *Case)) Result {
		s := &shopfloor{rng: rand.New(rand.NewPCG(seed, 3)), fault: fault, at: at, every: 2 * time.Second, clients: clients}
		c := s.run()
		of(&c)
		return Rank(c)
	}
	parts := map[string]func(c *Case){
		"both":       func(*Case) {},
		"spans only": func(c *Case) { c.Logs = nil },
		"records only": func(c *Case) {
			c.Spans = nil
			c.Edges = []Edge{{"front", "user"}, {"front", "shop"}, {"shop", "stock"}, {"shop", "pay"}, {"shop", "mail"}}
		},
	}
	for part, of := range parts {
		for seed := range uint64(1) {
			if got := first(f("", "", seed, true, of)); got != "nobody" {
				t.Errorf("%s, quiet, seed %d: got %s", part, seed, got)
			}
			for _, fault := range []string{"exception", "return", "cpu", "network"} {
				if part == "records only" && (fault == "cpu" || fault == "network") {
					continue // records tell nothing of it but numbers in their text
				}
				for _, at := range []string{"shop", "stock", "front"} {
					if fault == "return" && calls[at] == nil || fault == "network" && at == "front" {
						continue // nothing that can be seen is different
					}
					if r := f(fault, at, seed, true, of); first(r) != at {
						t.Errorf("%s, %s of %s, seed %d: got %s; %s", part, fault, at, seed, first(r), list5(r))
					}
				}
			}
		}
	}
}
