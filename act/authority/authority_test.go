package authority

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

var update = flag.Bool("update", false, "rewrite the answers and sentences of testdata/authority.md")

// level is L0 to L6, or M.
func level(t *testing.T, name string) declare.Level {
	t.Helper()
	for _, l := range declare.DefaultLevels() {
		if (l.Leader && name == "M") || (!l.Leader && name == fmt.Sprintf("L%d", l.Rank)) {
			return l
		}
	}
	t.Fatalf("no level %q", name)
	return declare.Level{}
}

// person reads name:level[/team…].
func person(t *testing.T, text string) Person {
	t.Helper()
	name, rest, _ := strings.Cut(text, ":")
	parts := strings.Split(rest, "/")
	p := Person{ID: declare.PersonID(name), Level: level(t, parts[0])}
	for _, team := range parts[1:] {
		p.Teams = append(p.Teams, declare.TeamID(team))
	}
	return p
}

// circumstances reads the words of a row's third column.
func circumstances(t *testing.T, c *Case, by *Person, text string) {
	t.Helper()
	for _, w := range strings.Fields(text) {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "certified":
			c.Certified = true
		case "checks":
			c.Checks = Checks(v)
			if c.Checks == Failed {
				c.CheckFailed = "replicas-are-up"
			}
		case "services", "dependents":
			n, err := strconv.Atoi(v)
			if err != nil {
				t.Fatal(err)
			}
			if k == "services" {
				c.Blast.Services = n
			} else {
				c.Blast.Dependents = n
			}
		case "owner":
			c.Owner = declare.TeamID(v)
		case "no-owner-left":
			c.OwnersUnable = true
		case "incident":
			c.Incident, c.Commander = 7, declare.PersonID(v)
		case "approved":
			voice := strings.HasSuffix(v, "/voice")
			c.Approvals = append(c.Approvals, Approval{By: person(t, strings.TrimSuffix(v, "/voice")), Voice: voice})
		case "asked-by":
			c.AskedBy = append(c.AskedBy, declare.PersonID(v))
		case "break-glass":
			c.BreakGlass = "the region is down"
		case "frozen":
			c.Frozen = "end of year"
		case "lent-by":
			lender := person(t, v)
			by.Lent = append(by.Lent, Loan{From: lender.ID, Level: lender.Level, Teams: lender.Teams, Upto: declare.Heavy})
		default:
			t.Fatalf("no circumstance %q", w)
		}
	}
}

// TestTable holds the package to testdata/authority.md, sentence by sentence.
func TestTable(t *testing.T) {
	const file = "testdata/authority.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	rows := 0
	for n, line := range strings.Split(strings.TrimRight(string(data), "\n"), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || strings.Contains(line, "---") || strings.TrimSpace(cells[1]) == "who" {
			out = append(out, line)
			continue
		}
		rows++
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		c := Case{What: "the step", Service: "checkout", Class: declare.Class(cells[2])}
		var got Verdict
		if asker, approves := strings.CutPrefix(cells[2], "approves "); approves {
			class, of, _ := strings.Cut(asker, " of ")
			c.Class, c.Who = declare.Class(class), person(t, of)
			by := person(t, cells[1])
			circumstances(t, &c, &by, cells[3])
			got = Approve(by, c)
		} else {
			c.Who = person(t, cells[1])
			circumstances(t, &c, &c.Who, cells[3])
			got = Decide(c)
		}
		answer := string(got.Answer)
		if got.Review {
			answer += ", review"
		}
		if !*update && (answer != cells[4] || got.Why != cells[5]) {
			t.Errorf("%s:%d: %s, %s, %s\n got %s: %s\nwant %s: %s", file, n+1, cells[1], cells[2], cells[3], answer, got.Why, cells[4], cells[5])
		}
		out = append(out, fmt.Sprintf("| %s | %s | %s | %s | %s |", cells[1], cells[2], cells[3], answer, got.Why))
	}
	if rows < 80 {
		t.Errorf("only %d rows", rows)
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFourEyes tries every level, class and approver: no combination lets somebody do
// from A3 on what they approved themselves, and no approval of somebody without the
// authority counts.
func TestFourEyes(t *testing.T) {
	levels := declare.DefaultLevels()
	for _, l := range levels {
		for _, class := range declare.Classes() {
			for _, checks := range []Checks{Unchecked, Passed, Failed} {
				for _, blast := range []Blast{{Services: 1}, {Services: 2}, {Services: 1, Dependents: Wide}} {
					who := Person{ID: "alice", Level: l, Teams: []declare.TeamID{"shop"}}
					c := Case{Who: who, Class: class, Checks: checks, Blast: blast, Service: "checkout", Owner: "shop", Incident: 1, Commander: "alice"}
					alone := Decide(c)
					own := c
					own.Approvals = []Approval{{By: who}, {By: who, Voice: true}}
					if Decide(own).Answer != alone.Answer {
						t.Errorf("%s %s: their own approval counted", l.Name, class)
					}
					if Approve(who, c).OK() {
						t.Errorf("%s may approve their own %s", l.Name, class)
					}
					lent := c
					friend := Person{ID: "bob", Level: levels[0], Lent: []Loan{{From: "alice", Level: levels[len(levels)-1], Upto: declare.Money}}}
					if Approve(friend, lent).OK() {
						t.Errorf("%s: approved %s with what the asker lent", l.Name, class)
					}
					weak := c
					weak.Approvals = []Approval{{By: Person{ID: "tom", Level: levels[0]}}, {By: Person{ID: "tim", Level: levels[0]}}}
					if got := Decide(weak); got.Answer != alone.Answer {
						t.Errorf("%s %s: approvals of trainees counted: %+v", l.Name, class, got)
					}
					if alone.Why == "" || (alone.Answer == Ask) != (len(alone.Missing) > 0) {
						t.Errorf("%s %s: %+v", l.Name, class, alone)
					}
				}
			}
		}
	}
}

// TestMoreNeverMeansLess: a higher rung, a certificate, a passed check or an approval
// never turns a yes into less; a wider reach never turns less into a yes.
func TestMoreNeverMeansLess(t *testing.T) {
	rank := map[Answer]int{Deny: 0, Ask: 1, Allow: 2}
	var before Person
	for _, l := range declare.DefaultLevels() {
		if l.Leader {
			continue
		}
		for _, class := range declare.Classes() {
			c := Case{Who: Person{ID: "alice", Level: l}, Class: class, Service: "checkout", Blast: Blast{Services: 1}}
			got := Decide(c).Answer
			if before.ID != "" {
				less := c
				less.Who = before
				if rank[Decide(less).Answer] > rank[got] {
					t.Errorf("%s may less with %s than %s", l.Name, class, before.Level.Name)
				}
			}
			more := c
			more.Certified, more.Checks = true, Passed
			if rank[Decide(more).Answer] < rank[got] {
				t.Errorf("%s may less with %s when certified", l.Name, class)
			}
			wide := more
			wide.Blast.Dependents = 1000
			if rank[Decide(wide).Answer] > rank[Decide(more).Answer] {
				t.Errorf("%s may more with %s when it reaches further", l.Name, class)
			}
		}
		before = Person{ID: "alice", Level: l}
	}
}

func TestWhatNobodyKnowsIsNoYes(t *testing.T) {
	lead := level(t, "L6")
	for _, c := range []Case{
		{Who: Person{ID: "carol", Level: lead}, Class: "A9"},
		{Who: Person{ID: "carol", Level: lead}},
		{Who: Person{Level: lead}, Class: declare.Look},
	} {
		if v := Decide(c); v.Answer != Deny || v.Why == "" {
			t.Errorf("%+v: %+v", c, v)
		}
	}
}

func TestNearest(t *testing.T) {
	people := []Person{person(t, "mia:M/shop"), person(t, "lea:L4/other"), person(t, "sue:L3/other"), person(t, "bob:L3/shop"), person(t, "dan:L2/shop"), person(t, "amy:L1/shop"), person(t, "alice:L1/shop")}
	c := Case{Who: person(t, "alice:L1/shop"), Class: declare.Normal, Service: "checkout", Owner: "shop"}
	f := func(onCall declare.PersonID, want ...declare.PersonID) {
		t.Helper()
		var got []declare.PersonID
		for _, n := range Nearest(c, people, func(p declare.PersonID) bool { return p == onCall }) {
			got = append(got, n.Person)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	f("", "dan", "bob", "sue", "lea", "mia")
	f("bob", "bob", "dan", "sue", "lea", "mia")
}

func TestReach(t *testing.T) {
	w := &declare.Workspace{
		Services: []*declare.Service{
			{ID: "web", Tier: 1, DependsOn: []declare.ResourceID{"component/default/api"}},
			{ID: "api", Tier: 2, DependsOn: []declare.ResourceID{"resource/default/db", "component/default/web"}}, // a cycle
			{ID: "alone", Tier: 4},
		},
		Resources: []*declare.Resource{{ID: "resource/default/db"}},
	}
	f := func(want Blast, of ...declare.ServiceID) {
		t.Helper()
		if got := BlastOf(w, of...); got != want {
			t.Errorf("%v: got %+v, want %+v", of, got, want)
		}
	}
	f(Blast{Services: 1, Dependents: 1, Tier: 1}, "api")
	f(Blast{Services: 1, Tier: 4}, "alone")
	f(Blast{Services: 2, Tier: 1}, "api", "web", "api")
	f(Blast{}, "nobody")
}

func TestTime(t *testing.T) {
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	if !Holds(at, at.Add(59*time.Minute)) || Holds(at, at.Add(time.Hour)) || !Holds(at, at.Add(-2*time.Hour)) {
		t.Error("a yes holds for an hour")
	}
	if Expired(at, at.Add(23*time.Hour)) || !Expired(at, at.Add(24*time.Hour)) {
		t.Error("a question is open for a day")
	}
}
