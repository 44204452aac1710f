package runbook

import (
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
)

// least is the lowest class that a step of a language can claim: what may alter
// something cannot call itself looking.
func least(s *declare.Step) declare.Class {
	switch s.Language {
	case "promql", "logsql", "wait", "runbook":
		return declare.Look // a sub-runbook's steps have classes of their own
	case "manual":
		return declare.Note
	case "kube":
		return kubeClass(s.Body)
	case "terraform":
		if s.Attrs["action"] == "plan" {
			return declare.Test
		}
		return declare.Normal
	case "http":
		if r, err := ParseRequest(s.Body); err == nil && (r.Method == "GET" || r.Method == "HEAD") {
			return declare.Test
		}
		return declare.Bounded
	}
	return declare.Test
}

// class says what sort of action a step is: as written, else by its language and risk.
func class(s *declare.Step, problem func(warning bool, field, got, want, hint string)) {
	low := least(s)
	s.Class = declare.ClassOf(s.Risk)
	_, risky := s.Attrs["risk"]
	switch {
	case s.Risk == declare.RiskLow && low.Rank() < declare.Bounded.Rank() && s.Language != "sh" && s.Language != "ssh" && !(s.Language == "manual" && risky):
		s.Class = low
	case s.Class.Rank() < low.Rank():
		s.Class, s.Risk = low, low.Risk()
		if risky {
			problem(false, "risk", s.Attrs["risk"], fmt.Sprintf("%s or above for this step", low.Risk()), "")
		}
	}
	written, ok := s.Attrs["class"]
	if !ok {
		return
	}
	c := declare.Class(written)
	switch {
	case c.Rank() < 0:
		problem(false, "class", written, "a class from A0 (look) to A7 (money)", "")
	case c.Rank() < low.Rank():
		problem(false, "class", written, fmt.Sprintf("%s (%s) or above for this step", low, low.Says()), "what may alter something is no look")
	default:
		s.Class = c
		if _, both := s.Attrs["risk"]; both && c.Risk() != s.Risk && c.Rank() >= declare.Bounded.Rank() {
			problem(false, "risk", s.Attrs["risk"], fmt.Sprintf("%s, which is what class %s means; or no risk", c.Risk(), c), "")
		}
		s.Risk = atLeastLow(c.Risk())
	}
}

// atLeastLow keeps the risk of a step a risk: what only looks has a low one.
func atLeastLow(r declare.Risk) declare.Risk {
	if r == declare.RiskNone {
		return declare.RiskLow
	}
	return r
}
