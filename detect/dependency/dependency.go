// Package dependency compares the dependencies that the catalogue declares with the calls
// that spans tell of.
//
// In: a workspace, and calls between services. Out: findings: a service is called that is
// not declared as a dependency, or one is declared that was not called for a day although
// both sides sent spans. Promise: it is pure, and names only services that are declared.
package dependency

import (
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/observe"
)

// Patience is how long a declared dependency may go without a call.
const Patience = 24 * time.Hour

// Compare returns the findings that hold. Recent are the calls of the last hour, long
// those of the last Patience; sends says which services sent spans all that time.
func Compare(w *declare.Workspace, recent, long []observe.Call, sends map[declare.ServiceID]bool) []detect.Finding {
	var out []detect.Finding
	for _, c := range recent {
		from, to := w.Service(declare.ServiceID(c.Client)), w.Service(declare.ServiceID(c.Server))
		if from == nil || to == nil || from == to || c.Calls < 1 || slices.Contains(from.DependsOn, to.Resource()) {
			continue
		}
		out = append(out, finding(from, "UndeclaredDependency", string(to.ID),
			fmt.Sprintf("%s calls %s, which the catalogue does not say", from.ID, to.ID),
			fmt.Sprintf("%.0f calls in the last hour. An incident of %s would not be looked for in %s: add %q to dependsOn of %s (%s), or find out who calls.", c.Calls, from.ID, to.ID, "component:"+string(to.ID), from.ID, from.Pos.File)))
	}
	called := map[[2]string]bool{}
	for _, c := range long {
		called[[2]string{c.Client, c.Server}] = c.Calls > 0 || called[[2]string{c.Client, c.Server}]
	}
	for _, from := range w.Services {
		for _, to := range w.Services {
			if from == to || !sends[from.ID] || !sends[to.ID] || !slices.Contains(from.DependsOn, to.Resource()) || called[[2]string{string(from.ID), string(to.ID)}] {
				continue
			}
			out = append(out, finding(from, "UnusedDependency", string(to.ID),
				fmt.Sprintf("%s is said to depend on %s, and did not call it for a day", from.ID, to.ID),
				fmt.Sprintf("Both sent spans all that time. Changes of %s are suspects in incidents of %s as long as dependsOn (%s) says so.", to.ID, from.ID, from.Pos.File)))
		}
	}
	return out
}

func finding(s *declare.Service, name, to, summary, description string) detect.Finding {
	return detect.Finding{
		Detector: detect.DetectorDependency, Name: name, Service: s.ID, Team: s.Owner, Severity: detect.Info, Summary: summary, Description: description,
		Labels:      map[string]string{"alertname": name, "severity": string(detect.Info), "service": string(s.ID), "team": string(s.Owner), "dependency": to},
		Annotations: map[string]string{"summary": summary, "description": description},
	}
}
