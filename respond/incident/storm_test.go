package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// TestStorm: ten thousand findings at once, of a thousand services that nothing
// connects, become a handful of incidents with a timeline that can be read.
func TestStorm(t *testing.T) {
	d := newDesk(t)
	var storm []detect.Finding
	for n := range 10_000 {
		f := page("Down", fmt.Sprintf("service-%d", n%1000))
		f.Labels["instance"] = fmt.Sprint(n)
		f.Fingerprint = detect.MakeFingerprint(f.Detector, f.Labels)
		storm = append(storm, f)
	}
	d.see(0, storm...)
	all, err := d.book.List(t.Context(), respond.IncidentFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != stormIncidents {
		t.Fatalf("%d incidents, expected %d", len(all), stormIncidents)
	}
	found := 0
	for _, i := range all {
		_, total, err := d.findings.List(t.Context(), detect.Filter{Incident: int64(i.Number), Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		found += total
	}
	if found != len(storm) {
		t.Errorf("%d findings belong to an incident, expected %d", found, len(storm))
	}
	facts := d.facts("incident.joined")
	if len(facts) > 100 {
		t.Errorf("%d lines say what joined", len(facts))
	}
	if !strings.Contains(facts[0].Text, "findings joined at once: Down (") {
		t.Errorf("%q", facts[0].Text)
	}
	// After the storm what has nothing to do with anything is an incident again.
	d.see(2*time.Minute, page("Slow", "newsletter"))
	d.expect(append([]string{"6 open newsletter"}, lines(all)...)...)
}

func lines(all []respond.Incident) (out []string) {
	for _, i := range all {
		var services []string
		for _, s := range i.Services {
			services = append(services, string(s))
		}
		out = append(out, fmt.Sprintf("%d %s %s", i.Number, i.Status, strings.Join(services, ",")))
	}
	return out
}

// TestNameless: pages that name no service belong together when they are of one alert.
func TestNameless(t *testing.T) {
	d := newDesk(t)
	one, two := page("NodeDown", ""), page("NodeDown", "")
	one.Labels["node"], two.Labels["node"] = "a", "b"
	d.see(0, one)
	d.see(time.Minute, two, page("Watchdog", ""))
	d.expect("2 open ", "1 open ")
	if got := d.told["NodeDown"].Incident; got != 1 {
		t.Errorf("the second node is in incident %d", got)
	}
}
