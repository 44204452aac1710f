// Package authority decides who may run a step, and who may approve it. It is pure.
//
// In: a person's level, a risk, who asked. Out: a verdict, with a sentence that says
// why. Promise: nobody approves what they asked for themselves.
package authority

import (
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
)

// Answer is what a verdict comes to.
type Answer string

// The answers.
const (
	Allow Answer = "allow" // at once, alone
	Ask   Answer = "ask"   // with the approval of somebody else
	Deny  Answer = "deny"
)

// Verdict is an answer and the sentence that explains it.
type Verdict struct {
	Answer Answer
	Why    string
}

// Run says whether a person of a level may run a step of a risk.
func Run(who declare.PersonID, level declare.Level, risk declare.Risk) Verdict {
	if risk.Rank() >= 0 && risk.Rank() <= level.Alone.Rank() {
		return Verdict{Allow, fmt.Sprintf("%s is %s and may run steps of %s risk alone", who, article(level.Name), risk)}
	}
	alone := "no step alone"
	if level.Alone.Rank() > 0 {
		alone = fmt.Sprintf("only steps up to %s risk alone", level.Alone)
	}
	return Verdict{Ask, fmt.Sprintf("%s is %s and may run %s; this one is of %s risk", who, article(level.Name), alone, risk)}
}

// Approve says whether a person may approve a step that somebody asked for.
func Approve(who declare.PersonID, level declare.Level, risk declare.Risk, askedBy declare.PersonID) Verdict {
	switch {
	case who == askedBy:
		return Verdict{Deny, fmt.Sprintf("%s asked for it: an approval is somebody else's", who)}
	case risk.Rank() < 0 || risk.Rank() > level.Approve.Rank():
		may := "no step"
		if level.Approve.Rank() > 0 {
			may = fmt.Sprintf("steps up to %s risk", level.Approve)
		}
		return Verdict{Deny, fmt.Sprintf("%s is %s and may approve %s; this one is of %s risk", who, article(level.Name), may, risk)}
	}
	return Verdict{Allow, fmt.Sprintf("%s is %s and may approve steps of %s risk", who, article(level.Name), risk)}
}

func article(l declare.LevelName) string {
	if l == "" {
		return "of no level"
	}
	switch l[0] {
	case 'a', 'e', 'i', 'o', 'u':
		return "an " + string(l)
	}
	return "a " + string(l)
}
