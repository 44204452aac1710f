package authority

import (
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

func TestAuthority(t *testing.T) {
	levels := map[declare.LevelName]declare.Level{}
	for _, l := range declare.DefaultLevels() {
		levels[l.Name] = l
	}
	run := func(level declare.LevelName, risk declare.Risk, want Answer) {
		t.Helper()
		if v := Run("alice", levels[level], risk); v.Answer != want || v.Why == "" {
			t.Errorf("%s runs %s: got %+v, want %s", level, risk, v, want)
		}
	}
	run("trainee", "low", Ask)
	run("trainee", "high", Ask)
	run("junior", "low", Allow)
	run("junior", "medium", Ask)
	run("engineer", "medium", Allow)
	run("engineer", "high", Ask)
	run("senior", "medium", Allow)
	run("senior", "high", Ask)
	run("lead", "high", Allow)
	run("distinguished", "high", Allow)
	run("no such level", "low", Ask)
	run("lead", "dreadful", Ask)

	approve := func(level declare.LevelName, risk declare.Risk, askedBy declare.PersonID, want Answer) {
		t.Helper()
		if v := Approve("bob", levels[level], risk, askedBy); v.Answer != want || v.Why == "" {
			t.Errorf("%s approves %s for %s: got %+v, want %s", level, risk, askedBy, v, want)
		}
	}
	approve("trainee", "low", "alice", Deny)
	approve("junior", "low", "alice", Deny)
	approve("engineer", "medium", "alice", Allow)
	approve("engineer", "high", "alice", Deny)
	approve("senior", "high", "alice", Allow)
	approve("lead", "high", "alice", Allow)
	approve("distinguished", "high", "bob", Deny) // nobody approves for themselves
	approve("no such level", "low", "alice", Deny)
	approve("lead", "dreadful", "alice", Deny)
}
