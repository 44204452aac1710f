package alert

import (
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// TestStormsAreHeld: of one incident a receiver gets ten messages in five minutes; what
// was held does not end either, and what was told does.
func TestStormsAreHeld(t *testing.T) {
	var s storms
	now := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	f := func(want bool, at time.Duration, receiver, group string, firing bool, incidents ...string) {
		t.Helper()
		var alerts []*amalert.Alert
		for _, n := range incidents {
			a := &amalert.Alert{Alert: model.Alert{Annotations: model.LabelSet{}, EndsAt: now.Add(at + time.Hour)}}
			if n != "" {
				a.Annotations["incident"] = model.LabelValue(n)
			}
			if !firing {
				a.EndsAt = now
			}
			alerts = append(alerts, a)
		}
		if got := s.hold(notify.WithGroupKey(t.Context(), group), now.Add(at), receiver, alerts); got != want {
			t.Errorf("held: %v, want %v", got, want)
		}
	}
	for i := range stormMessages {
		f(false, time.Duration(i)*time.Second, "phone", string(rune('a'+i)), true, "1", "1")
	}
	f(true, 20*time.Second, "phone", "k", true, "1")
	f(false, 20*time.Second, "phone", "k2", true, "2")       // another incident
	f(false, 20*time.Second, "mail", "k", true, "1")         // another receiver
	f(false, 20*time.Second, "phone", "k3", true, "1", "2")  // two incidents
	f(false, 20*time.Second, "phone", "k4", true, "")        // none
	f(true, time.Minute, "phone", "k", false, "1")           // held, and over
	f(false, time.Minute, "phone", "k", false, "1")          // once
	f(false, time.Minute, "phone", "a", false, "1")          // told, and over
	f(false, stormSpan+time.Second, "phone", "l", true, "1") // the first ones are long ago
}
