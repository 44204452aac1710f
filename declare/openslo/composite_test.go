package openslo

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// journey writes a composite; annotations, method and objectives are YAML in one line.
func journey(annotations, method, objectives string) string {
	return `apiVersion: openslo/v1
kind: SLI
metadata: {name: paying, annotations: {evenkeel.dev/service: payments}}
spec: ` + ratio + `
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: buy, displayName: Buy, annotations: ` + annotations + `}
spec:
  service: checkout
  timeWindow: ` + rolling + `
  budgetingMethod: ` + method + `
  objectives: ` + objectives + `
`
}

const order = `indicator: {metadata: {name: order}, spec: ` + level + `}, op: lt, value: 5`

func TestComposite(t *testing.T) {
	got, f, problems := load(journey("{evenkeel.dev/minimum-events: 3, evenkeel.dev/runbook: r}", "Occurrences",
		"[{target: 0.99, compositeWeight: 3, "+order+"}, {displayName: The money, targetPercent: 95, indicatorRef: paying}]"))
	if len(problems) > 0 || len(got) != 3 {
		t.Fatal(problems, got)
	}
	whole, first, second := got[0], got[1], got[2]
	if whole.Name != "buy" || !whole.Composite() || whole.AllHold || whole.Ratio != nil || whole.Threshold != nil || whole.MinEvents != 3 || whole.Runbook != "r" || math.Abs(whole.Target-0.98) > 1e-12 || whole.PartOf != "" {
		t.Errorf("the journey is %+v", whole)
	}
	if whole.Parts[0].Objective != first || whole.Parts[1].Objective != second || whole.Parts[0].Weight != 3 || whole.Parts[1].Weight != 1 {
		t.Errorf("its parts are %+v", whole.Parts)
	}
	if first.Name != "buy-order" || first.Title != "Buy: order" || first.Service != "checkout" || first.Threshold == nil || first.Threshold.Op != "lt" || first.PartOf != "buy" || first.Runbook != "" {
		t.Errorf("the first part is %+v", first)
	}
	if second.Name != "buy-paying" || second.Title != "Buy: The money" || second.Service != "payments" || second.Ratio == nil || second.Target != 0.95 {
		t.Errorf("the second part is %+v", second)
	}
	var services []string
	for _, r := range f.References {
		if r.Kind == "service" {
			services = append(services, r.Name)
		}
	}
	if strings.Join(services, " ") != "checkout payments" {
		t.Errorf("refers to the services %v", services)
	}

	got, _, problems = load(journey("{evenkeel.dev/composite: all}", "Timeslices",
		"[{target: 0.9, timeSliceWindow: 1m, "+order+"}, {target: 0.9, timeSliceTarget: 0.5, timeSliceWindow: 1m, indicatorRef: paying}]"))
	if len(problems) > 0 || len(got) != 3 || !got[0].AllHold || got[0].SliceWindow != time.Minute || got[0].SliceTarget != 0.75 || got[0].Method != declare.Timeslices {
		t.Errorf("%v: %+v", problems, got)
	}
}

func TestCompositeMistakes(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, _, problems := load(text)
		if got := problems.Error(); got != strings.Join(want, "\n") {
			t.Errorf("%s\ngot\n%s\nwant\n%s", text, got, strings.Join(want, "\n"))
		}
	}
	both := "[{target: 0.9, " + order + "}, {target: 0.9, indicatorRef: paying}]"
	f(journey("{evenkeel.dev/composite: all}", "Occurrences", both),
		`o.yml:8:79: metadata.annotations.evenkeel.dev/composite: got "all", expected budgetingMethod: Timeslices: only slices of time are good in all parts, or not`)
	f(journey("{evenkeel.dev/composite: al}", "Occurrences", both),
		`o.yml:8:79: metadata.annotations.evenkeel.dev/composite: got "al", expected weighted or all (did you mean "all"?)`)
	f(journey("{}", "Occurrences", "[{target: 0.9, compositeWeight: 0, indicatorRef: paying}]"),
		`o.yml:13:47: spec.objectives[0].compositeWeight: got "0", expected a weight above 0, and at most 1e+06`)
	f(journey("{}", "Occurrences", "[{target: 0.9, compositeWeight: 2}]"),
		`o.yml:13:16: spec.objectives[0].indicator: expected an indicator, or an indicatorRef, in each objective of a composite (it is missing)`)
	f(journey("{}", "Occurrences", "[{target: 0.9, indicatorRef: payin}]"),
		`o.yml:13:44: spec.objectives[0].indicatorRef: got "payin", expected the name of an SLI that is declared (did you mean "paying"?)`)
	f(journey("{}", "Timeslices", "[{target: 0.9, timeSliceTarget: 0.5, timeSliceWindow: 1m, indicatorRef: paying}, {target: 0.9, timeSliceWindow: 5m, "+order+"}]"),
		`o.yml:13:127: spec.objectives[1].timeSliceWindow: got "5m", expected the same slices in all parts of a composite`)
	f(slo(ratio, rolling, "Occurrences", "[{target: 0.9, compositeWeight: 1, indicator: {metadata: {name: i}, spec: "+ratio+"}}]"),
		`o.yml:6:14: spec.indicator: expected indicators in the objectives only: it is a composite`)
	f(strings.Replace(slo(ratio, rolling, "Occurrences", goal), "displayName: S}", "annotations: {evenkeel.dev/composite: all}}", 1),
		`o.yml:3:59: metadata.annotations.evenkeel.dev/composite: got "all", expected a composite: an indicator in each of its objectives`)
}
