package authority

import (
	"fmt"

	"github.com/evenkeel/evenkeel/declare"
)

// entry is one cell of the table: what a rung says to a class.
type entry struct {
	answer Answer
	why    string // follows "who"
	parts  []Part
}

// row is the table of levels and classes.
//
//	       A0 A1  A2     A3          A4              A5              A6            A7
//	L0     alone  peer   peer L2+    L3+             no              no            no
//	L1     alone  alone  certified,  peer L2+        no (assist)     no (propose)  no
//	                     else L2+
//	L2     alone  alone  alone       peer L2+        L3+ and owner   no (propose)  no
//	L3     alone  alone  alone       checks passed,  L3+ and owner   own team: L4+ no
//	                                 else L2+
//	L4     alone  alone  alone       alone           L3+             domain: L5+   no (recommend)
//	L5 L6  alone  alone  alone       alone           L3+             leader        no (recommend)
//	M      alone  alone  peer L2+    peer L2+        L3+             alone         another leader
//
// A level's Alone and Approve, where a workspace declares others, move A3 to A5.
func row(who Person, class declare.Class, c *Case) entry {
	l := who.Level
	alone := func(format string, args ...any) entry { return entry{answer: Allow, why: fmt.Sprintf(format, args...)} }
	ask := func(why string, parts ...Part) entry { return entry{Ask, why, parts} }
	no := func(why string) entry { return entry{answer: Deny, why: why} }
	peer := func(rank int) Part {
		return Part{What: fmt.Sprintf("a peer of L%d or above", rank), Rank: rank, Class: class}
	}
	leader := Part{What: "a leader", Rank: declare.Distinguished + 1, Class: class}
	switch class {
	case declare.Look, declare.Note:
		return alone("may always do that")
	case declare.Test:
		if l.Rank > declare.Trainee || l.Leader {
			return alone("makes safe tests alone")
		}
		return ask("makes safe tests with somebody beside", peer(declare.Junior))
	case declare.Policy:
		return policy(l, who, c, leader)
	case declare.Money:
		if l.Leader {
			return ask("decides on money with another leader", leader)
		}
		return no("may recommend it: a leader decides")
	}
	if c.Checks == Failed {
		e := above(l, class, c, peer)
		if e.answer == Ask {
			e.why = fmt.Sprintf("does not do it alone while a check has failed (%s)", c.CheckFailed)
		}
		return e
	}
	if class.Risk().Rank() > l.Alone.Rank() || l.Leader {
		return above(l, class, c, peer)
	}
	switch {
	case class == declare.Bounded && l.Rank <= declare.Junior:
		if c.Certified {
			return alone("is certified for it and does it alone")
		}
		e := above(l, class, c, peer)
		e.why = "does alone what they are certified for, and is not for this"
		if c.Uncertified != "" {
			e.why += ": " + c.Uncertified
		}
		return e
	case class == declare.Normal && l.Rank <= declare.Senior:
		if c.Checks == Passed && c.class0() == declare.Normal {
			return alone("makes a normal change alone when every check has passed, as here")
		}
		e := above(l, class, c, peer)
		e.why = "makes a normal change alone when its checks have passed"
		if c.Checks != Passed {
			e.why += ", and here none has"
		} else {
			e.why += " and it reaches no further than declared"
		}
		return e
	}
	return alone("does that alone")
}

// class0 is the class before anything lifted it.
func (c *Case) class0() declare.Class { return c.Class }

// above is what A3 to A5 take from somebody who may not do them alone.
func above(l declare.Level, class declare.Class, c *Case, peer func(int) Part) entry {
	owner := Part{What: "somebody of " + string(c.Owner) + ", who own " + string(c.Service), Rank: declare.Engineer, Team: c.Owner, Class: class}
	does := "does that with an approval"
	if l.Leader {
		does = "does not do that routinely"
	}
	switch class {
	case declare.Bounded:
		return entry{Ask, does, []Part{peer(declare.Engineer)}}
	case declare.Normal:
		if l.Rank == declare.Trainee {
			return entry{Ask, "does that with a senior", []Part{peer(declare.Senior)}}
		}
		return entry{Ask, does, []Part{peer(declare.Engineer)}}
	}
	switch {
	case l.Rank <= declare.Junior:
		return entry{answer: Deny, why: "may assist: somebody of L2 or above has to take it"}
	case l.Rank >= declare.Lead || c.Owner == "" || c.OwnersUnable:
		return entry{Ask, "does that with a second pair of eyes", []Part{peer(declare.Senior)}}
	}
	// The owner first: fewer people can be that one.
	owner.Class = declare.Normal // of the owners any engineer, who knows the service
	return entry{Ask, "does that with two others", []Part{owner, peer(declare.Senior)}}
}

func policy(l declare.Level, who Person, c *Case, leader Part) entry {
	own := c.Owner != ""
	mine := false
	for _, t := range who.Teams {
		mine = mine || t == c.Owner
	}
	switch {
	case l.Leader:
		return entry{answer: Allow, why: "decides on policy"}
	case l.Rank >= declare.Principal:
		return entry{Ask, "proposes policy by a decision record", []Part{leader}}
	case l.Rank >= declare.Lead && own && mine:
		return entry{Ask, "asks for exceptions in their own domain", []Part{{What: "a leader, or somebody of L5 or above", Rank: declare.Principal, Class: declare.Policy}}}
	case l.Rank >= declare.Senior && own && mine:
		return entry{Ask, "decides on policy of their own team with a lead", []Part{{What: "a leader, or somebody of L4 or above", Rank: declare.Lead, Class: declare.Policy}}}
	case l.Rank >= declare.Senior:
		return entry{answer: Deny, why: "may propose it beyond their own team, and not decide it"}
	}
	return entry{answer: Deny, why: "may propose it"}
}
