package approval

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func answer(class declare.Class, decision string, waited time.Duration) act.Answer {
	return act.Answer{Class: class, Decision: decision, AskedAt: noon, DecidedAt: noon.Add(waited)}
}

func TestHowApprovalsWent(t *testing.T) {
	if got := Make(nil); len(got) != 0 {
		t.Errorf("got %+v", got)
	}
	list := []act.Answer{
		answer(declare.Normal, "refused", 400*time.Second), answer(declare.Bounded, "approved", 5*time.Second), answer(declare.Normal, "approved", 100*time.Second),
		answer(declare.Normal, "expired", 24*time.Hour), answer(declare.Normal, "approved", -time.Minute), // a clock went back
	}
	got := Make(list)
	if len(got) != 3 || got[0].Class != "" || got[0].N != 5 || len(got[0].Records) != 5 || got[0].Approved != 3 || got[0].Share != 0.6 {
		t.Fatalf("got %+v", got)
	}
	if m := got[1]; m.Class != declare.Bounded || m.N != 1 || m.Median != 5 || m.P90 != 5 || m.Seconds != 1 {
		t.Errorf("got %+v", m)
	}
	if m := got[2]; m.Class != declare.Normal || m.N != 4 || m.Approved != 2 || m.Refused != 1 || m.Expired != 1 || m.Median != 100 || m.P90 != 86400 || m.Share != 0.5 || m.Seconds != 0.25 || len(m.Records) != 4 {
		t.Errorf("got %+v", m)
	}
	list = nil
	for range 50 {
		list = append(list, answer(declare.Normal, "approved", 2*time.Second))
	}
	if got := Make(list); got[1].Advice == "" || got[0].Advice != "" {
		t.Errorf("got %+v", got)
	}
	if got := Make(list[1:]); got[1].Advice != "" {
		t.Errorf("49 are not enough: %+v", got)
	}
}
