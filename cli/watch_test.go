package cli

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// TestWatchShowsHandups: the terminal's view has the packets that wait, and those that came
// back with what is missing; a pipe has a line for each step of one.
func TestWatchShowsHandups(t *testing.T) {
	p := newProcess(t)
	people := strings.Replace(killWorkspace["catalog/all.yml"], "members: [carol]", "members: [carol, dave]", 1) + "---\napiVersion: backstage.io/v1alpha1\nkind: User\nmetadata: {name: dave}\nspec: {memberOf: [ops]}\n"
	if err := os.WriteFile(filepath.Join(p.dir, "workspace", "catalog/all.yml"), []byte(people), 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := state.Open(t.Context(), filepath.Join(p.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	dave, _, err := account.New(db).CreateToken(t.Context(), time.Now(), journal.System("test"), "dave", "test", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	p.start()
	run := func(token string, args ...string) {
		t.Helper()
		cmd := exec.Command(os.Args[0], append([]string{"incident"}, args...)...)
		cmd.Env = append(os.Environ(), runAsCLI+"=1", "EVENKEEL_URL=http://"+p.addr, "EVENKEEL_TOKEN="+token)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("incident %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}

	t.Setenv("EVENKEEL_URL", "http://"+p.addr)
	t.Setenv("EVENKEEL_TOKEN", p.token)
	screen := func() string {
		t.Helper()
		cmd, out := &cobra.Command{}, &bytes.Buffer{}
		cmd.SetContext(t.Context())
		cmd.SetOut(out)
		r := newRemote(cmd)
		c, err := r.client(cmd)
		if err != nil {
			t.Fatal(err)
		}
		(&watch{cmd: cmd, r: r, c: c, screen: true}).draw()
		return out.String()
	}
	shows := func(want ...string) {
		t.Helper()
		got := screen()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("the screen lacks %q:\n%s", w, got)
			}
		}
	}
	var lines safeBuffer
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	pipe := exec.CommandContext(ctx, os.Args[0], "incident", "watch")
	pipe.Env = append(os.Environ(), runAsCLI+"=1")
	pipe.Stdout, pipe.Stderr = &lines, &lines
	if err := pipe.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); _ = pipe.Wait() }()

	n := 0
	p.until("the pipe to follow", func() bool { // it begins with what comes after it is there
		n++
		res, err := http.Post("http://"+p.addr+"/api/v2/alerts", "application/json", strings.NewReader(fmt.Sprintf(`[{"labels":{"alertname":"Down%d","severity":"page","service":"queue"}}]`, n)))
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return strings.Contains(lines.String(), "incident.")
	})
	if got := screen(); strings.Contains(got, "Handed up") {
		t.Errorf("nothing was handed up:\n%s", got)
	}
	run(p.token, "escalate", "1", "--to", "person:dave", "--impact", "nothing is delivered", "--tried", "a restart", "--evidence", "the depth grows", "--question", "may I drain it?")
	shows("Handed up", "open", "carol", "dave", "may I drain it?")
	run(dave, "send-back", "1", "1", "--missing", "since when?")
	shows("returned", "since when?")
	run(p.token, "escalate", "1", "--again", "1", "--to", "person:dave", "--impact", "nothing is delivered since noon", "--tried", "a restart", "--evidence", "the depth grows", "--question", "may I drain it?")
	run(dave, "accept", "1", "1")
	if got := screen(); strings.Contains(got, "Handed up") {
		t.Errorf("the packet was accepted:\n%s", got)
	}
	p.until("the pipe to have said it all", func() bool {
		got := lines.String()
		return strings.Count(got, "handup.sent") == 2 && strings.Contains(got, "handup.returned") && strings.Contains(got, "handup.accepted")
	})
}
