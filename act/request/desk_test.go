package request

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/workspace"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// runs starts runs that end as they are told.
type runs struct {
	act.Runs
	mu      sync.Mutex
	started []act.StartRun
	by      []declare.PersonID
	refuse  error
	status  act.RunStatus
}

func (r *runs) Start(_ context.Context, _ time.Time, who declare.PersonID, s act.StartRun) (act.Run, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return act.Run{}, r.refuse
	}
	r.started, r.by = append(r.started, s), append(r.by, who)
	return act.Run{ID: fmt.Sprintf("r-%d", len(r.started)), Title: s.Runbook}, nil
}

func (r *runs) Get(_ context.Context, id string) (act.Run, error) {
	return act.Run{ID: id, Status: r.status, Change: "run:" + id}, nil
}

// office is a desk on a copy of the demo's workspace: alice is a junior of the shop, bob a
// senior of it, carol a lead, dave an engineer of other teams.
type office struct {
	*testing.T
	desk *Desk
	runs *runs
	dir  string
	ws   atomic.Pointer[declare.Workspace]
	db   *state.DB
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{T: t, runs: &runs{status: act.RunVerified}, dir: filepath.Join(t.TempDir(), "workspace")}
	if err := os.CopyFS(o.dir, os.DirFS("../../examples/shop/workspace")); err != nil {
		t.Fatal(err)
	}
	o.reload()
	var err error
	if o.db, err = state.Open(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.db.Close(); err != nil {
			t.Error(err)
		}
	})
	o.desk = New(Options{
		DB: o.db, Workspace: o.ws.Load, Runs: o.runs, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Changes: change.New(change.Options{DB: o.db, Known: func(declare.ServiceID) bool { return true }}),
		Check:   func(dir string, written []string) error { return workspace.CheckWritten(dir, written, noon) },
	})
	return o
}

func (o *office) reload() {
	o.Helper()
	w, problems, err := workspace.Load(o.dir, noon)
	if err != nil || w == nil {
		o.Fatalf("%v %v", err, problems)
	}
	o.ws.Store(w)
}

func (o *office) submit(who declare.PersonID, item string, form map[string]string) act.Request {
	o.Helper()
	r, err := o.desk.Submit(o.Context(), noon, who, item, form)
	if err != nil {
		o.Fatal(err)
	}
	return r
}

func TestFromRequestToDone(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	r := o.submit("alice", "restart-service", map[string]string{"service": "checkout"})
	if r.Status != act.RequestWaiting || len(o.runs.started) != 0 {
		t.Fatalf("got %+v", r)
	}
	var denied *act.DeniedError
	if _, err := o.desk.Decide(ctx, noon, "alice", r.ID, true, ""); !errors.As(err, &denied) {
		t.Errorf("alice approves her own request: %v", err)
	}
	r, err := o.desk.Decide(ctx, noon.Add(time.Minute), "dave", r.ID, true, "go")
	if err != nil || r.Status != act.RequestRunning || r.Run != "r-1" || o.runs.by[0] != "dave" || o.runs.started[0].Asked != "alice" || o.runs.started[0].Params["service"] != "checkout" {
		t.Fatalf("got %+v %v", r, err)
	}
	if err := o.desk.Follow(ctx, noon.Add(3*time.Minute)); err != nil {
		t.Fatal(err)
	}
	r, err = o.desk.Get(ctx, r.ID)
	if err != nil || r.Status != act.RequestDone || r.Change != "run:r-1" || r.SelfService || !r.RightFirstTime() || r.Late(noon.Add(time.Hour)) {
		t.Fatalf("got %+v %v", r, err)
	}
	if r, err = o.desk.Reopen(ctx, noon.Add(time.Hour), "alice", r.ID, "it hangs again"); err != nil || r.Status != act.RequestQueued || r.Reopened != 1 {
		t.Fatalf("got %+v %v", r, err)
	}
	if r, err = o.desk.Fulfil(ctx, noon.Add(time.Hour), "bob", r.ID); err != nil || r.Run != "r-2" {
		t.Fatalf("got %+v %v", r, err)
	}
	facts, err := o.db.Facts(ctx, journal.Query{Ref: r.Ref(), Oldest: true})
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, f := range facts {
		got += strings.TrimPrefix(string(f.Kind), "request.") + " "
	}
	if got != "submitted approved fulfilling running done reopened fulfilling running " {
		t.Errorf("got %s", got)
	}
}

func TestTheClockStandsOnlyForTheRequester(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	at := func(m int) time.Time { return noon.Add(time.Duration(m) * time.Minute) }
	r := o.submit("alice", "restart-service", map[string]string{"service": "checkout"}) // within 30 minutes
	if r, err := o.desk.Ask(ctx, at(10), "bob", r.ID, "which one of them?"); err != nil || r.Elapsed(at(60)) != 10*time.Minute || r.Late(at(600)) {
		t.Errorf("got %+v %v", r, err)
	}
	if _, err := o.desk.Answer(ctx, at(20), "bob", r.ID, "x"); err == nil {
		t.Error("somebody else answered")
	}
	r, err := o.desk.Answer(ctx, at(70), "alice", r.ID, "both")
	if err != nil || r.Paused != time.Hour || r.Elapsed(at(80)) != 20*time.Minute || r.Status != act.RequestWaiting {
		t.Errorf("got %+v %v", r, err)
	}
	if !r.Late(at(91)) || r.Late(at(90)) {
		t.Error("it waits for an approval now: that counts")
	}
	// A clock that jumps back neither adds nor takes.
	if _, err := o.desk.Ask(ctx, at(80), "bob", r.ID, "sure?"); err != nil {
		t.Fatal(err)
	}
	if r, err = o.desk.Answer(ctx, at(10), "alice", r.ID, "yes"); err != nil || r.Paused != time.Hour {
		t.Errorf("got %+v %v", r, err)
	}
}

func TestOneDecisionHolds(t *testing.T) {
	o := newOffice(t)
	for round := range 10 {
		r := o.submit("alice", "restart-service", map[string]string{"service": "checkout"})
		before := len(o.runs.started)
		var wg sync.WaitGroup
		var done, late atomic.Int32
		for i, who := range []declare.PersonID{"bob", "carol", "dave", "bob", "carol", "dave"} {
			wg.Go(func() {
				_, err := o.desk.Decide(t.Context(), noon, who, r.ID, i%2 == 0, "because")
				var conflict *act.ConflictError
				switch {
				case err == nil:
					done.Add(1)
				case errors.As(err, &conflict):
					late.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := o.desk.Get(t.Context(), r.ID)
		if err != nil || done.Load() != 1 || late.Load() != 5 {
			t.Fatalf("round %d: %d decided, %d were late, %v", round, done.Load(), late.Load(), err)
		}
		started := len(o.runs.started) - before
		if got.Status == act.RequestRunning && started != 1 || got.Status == act.RequestRefused && started != 0 {
			t.Fatalf("round %d: %s, and %d runs started", round, got.Status, started)
		}
	}
}

// TestWhatIsWrongWithAFormIsNamed: the field, what was there, what it should be.
func TestWhatIsWrongWithAFormIsNamed(t *testing.T) {
	o := newOffice(t)
	f := func(item string, form map[string]string, want string) {
		t.Helper()
		if _, err := o.desk.Submit(t.Context(), noon, "alice", item, form); err == nil || err.Error() != want {
			t.Errorf("%v: got %v, want %s", form, err, want)
		}
	}
	f("restart-service", nil, "service: expected a value")
	f("restart-service", map[string]string{"service": "checkout", "sevice": "x"}, `sevice: expected a field of the form: service (did you mean "service"?)`)
	f("restart-service", map[string]string{"service": "chekout"}, `service: got "chekout", expected a service of the catalogue`)
	f("grow-volume", map[string]string{"gib": "1"}, "volume: expected a value: /dev/GROUP/VOLUME, or the path of a folder or of an image")
}

// TestAFulfilmentThatTheServerDidNotSurvive goes back into the queue after a minute, for a
// person to look at; nothing of how it is kept shows.
func TestAFulfilmentThatTheServerDidNotSurvive(t *testing.T) {
	o := newOffice(t)
	r := o.submit("alice", "restart-service", map[string]string{"service": "checkout"})
	if _, err := o.desk.transition(t.Context(), noon, "person:bob", r.ID, "request.fulfilling", func(r *act.Request) (string, error) {
		r.Status, r.Reason = act.RequestRunning, claiming+noon.Format(time.RFC3339Nano)
		return "bob starts to fulfil it", nil
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.desk.Decide(t.Context(), noon, "bob", r.ID, true, ""); err == nil || err.Error() != "the request is running already: is being fulfilled since 2026-03-02T12:00:00Z" {
		t.Errorf("got %v", err)
	}
	if err := o.desk.Follow(t.Context(), noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, err := o.desk.Get(t.Context(), r.ID); err != nil || got.Status != act.RequestRunning {
		t.Errorf("within the minute: %+v %v", got, err)
	}
	if err := o.desk.Follow(t.Context(), noon.Add(2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got, err := o.desk.Get(t.Context(), r.ID); err != nil || got.Status != act.RequestQueued || got.Failed != 1 || !strings.Contains(got.Reason, "look whether it has happened") {
		t.Errorf("got %+v %v", got, err)
	}
}

func TestAFulfilmentThatFails(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	r := o.submit("alice", "restart-service", map[string]string{"service": "checkout"})
	o.runs.refuse = &act.ConflictError{Why: "it runs already"}
	r, err := o.desk.Decide(ctx, noon, "bob", r.ID, true, "")
	if err != nil || r.Status != act.RequestQueued || r.Failed != 1 || !strings.Contains(r.Reason, "it runs already") {
		t.Fatalf("got %+v %v", r, err)
	}
	o.runs.refuse, o.runs.status = nil, act.RunRolledBack
	if r, err = o.desk.Fulfil(ctx, noon, "bob", r.ID); err != nil || r.Status != act.RequestRunning {
		t.Fatalf("got %+v %v", r, err)
	}
	if _, err := o.desk.Fulfil(ctx, noon, "carol", r.ID); err == nil {
		t.Error("it was started twice")
	}
	if err := o.desk.Follow(ctx, noon); err != nil {
		t.Fatal(err)
	}
	if r, err = o.desk.Get(ctx, r.ID); err != nil || r.Status != act.RequestQueued || r.Failed != 2 {
		t.Errorf("got %+v %v", r, err)
	}
	if r, err = o.desk.Finish(ctx, noon, "bob", r.ID, "restarted by hand"); err != nil || r.Status != act.RequestDone || r.RightFirstTime() {
		t.Errorf("got %+v %v", r, err)
	}
	if m := Measure([]act.Request{r}); m.N != 1 || m.RightFirstTime != 0 || m.InTime != 1 || m.SelfService != 0 {
		t.Errorf("got %+v", m)
	}
}

func TestWhatTheShopOffers(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	refused := func(item, field, want string, form map[string]string) {
		t.Helper()
		_, err := o.desk.Submit(ctx, noon, "alice", item, form)
		var bad *act.InvalidError
		if !errors.As(err, &bad) || bad.Field != field || !strings.Contains(bad.Want, want) {
			t.Errorf("%s %v: got %v, want %s %q", item, form, err, field, want)
		}
	}
	refused("restart-service", "service", "a service of the catalogue", map[string]string{"service": "nothing"})
	refused("restart-service", "service", "a value", nil)
	refused("restart-service", "colour", "a field of the form", map[string]string{"service": "checkout", "colour": "red"})
	refused("silence-for-maintenance", "form", "a senior or above", map[string]string{"service": "checkout", "minutes": "300", "reason": "new disks arrive"})
	refused("silence-for-maintenance", "minutes", "at most 480", map[string]string{"service": "checkout", "minutes": "1000", "reason": "new disks arrive"})
	refused("grow-volume", "form", "without dots", map[string]string{"volume": "/srv/../etc/passwd", "gib": "1"})
	refused("grow-volume", "volume", "matches", map[string]string{"volume": "/srv/$(id)", "gib": "1"})
	refused("new-service", "name", "matches", map[string]string{"name": "x\": y", "team": "shop", "image": "a:1"})
	refused("new-service", "form", "a version of its own", map[string]string{"name": "gift", "team": "shop", "image": "shop/gift:latest"})
	refused("dns-record", "form", "IPv4", map[string]string{"name": "gift", "value": "gift.example."})
	refused("firewall-rule", "form", "80 or 443", map[string]string{"name": "db", "from": "0.0.0.0/0", "port": "5432"})
	refused("firewall-rule", "name", "one line", map[string]string{"name": "db\naccept", "from": "10.0.0.1", "port": "5432"})
	refused("firewall-rule", "from", "at most", map[string]string{"name": "db", "from": strings.Repeat("1", 10<<20), "port": "5432"})
	if _, err := o.desk.Submit(ctx, noon, "alice", "nothing", nil); !errors.Is(err, act.ErrNotFound) {
		t.Errorf("got %v", err)
	}

	build := func(item string, form map[string]string, want map[string]string) {
		t.Helper()
		r := o.submit("alice", item, form)
		r, err := o.desk.Decide(ctx, noon, "bob", r.ID, true, "")
		if err != nil || r.Status != act.RequestDone {
			t.Fatalf("%s: got %+v %v", item, r, err)
		}
		for name, part := range want {
			data, err := os.ReadFile(filepath.Join(o.dir, name))
			if err != nil || !strings.Contains(string(data), part) {
				t.Errorf("%s: %q is not in %s (%v): %s", item, part, name, err, data)
			}
		}
		o.reload()
		c, err := o.desk.o.Changes.Get(ctx, r.Change)
		if err != nil || c.Evidence.Author != "alice" || c.Evidence.Reviewers[0] != "bob" || c.Verdict != "verified" {
			t.Errorf("%s: got %+v %v", item, c, err)
		}
		// The same again writes nothing and says why.
		again := o.submit("alice", item, form)
		again, err = o.desk.Decide(ctx, noon, "bob", again.ID, true, "")
		if err != nil || again.Status != act.RequestQueued || !strings.Contains(again.Reason, "nothing was written") {
			t.Errorf("%s again: got %+v %v", item, again, err)
		}
	}
	build("new-service", map[string]string{"name": "gift", "team": "shop", "image": "registry.example/shop/gift:1.0"}, map[string]string{
		"catalog/gift.yml": "gift", "objectives/gift.yml": "target: 0.99", "rules/gift.yml": "ServiceDown", "runbooks/gift-down.md": "gift-availability", "kubernetes/gift.yml": "readOnlyRootFilesystem: true", "dashboards/gift.yml": "requests a second",
	})
	if w := o.ws.Load(); w.Service("gift") == nil || w.Objective("gift-availability") == nil || w.Runbook("gift-down") == nil {
		t.Error("the new service is not declared")
	}
	// Its manifests pass our own checks, without a word.
	var made workspace.Artefacts
	if n, err := made.AddOf(o.dir); err != nil || n != 1 || len(made.Check()) != 0 {
		t.Errorf("%d files of manifests (%v): %v", n, err, made.Check())
	}
	build("namespace", map[string]string{"name": "gift", "team": "shop"}, map[string]string{"kubernetes/namespaces/gift.yml": "requests.cpu: \"4\""})
	var both workspace.Artefacts
	if n, err := both.AddOf(o.dir); err != nil || n != 2 || len(both.Check()) != 0 {
		t.Errorf("%d files of manifests (%v): %v", n, err, both.Check())
	}
	build("dns-record", map[string]string{"name": "gift", "value": "10.0.0.7"}, map[string]string{"dns/shop.example.zone": "gift 300 IN A 10.0.0.7\n"})
	build("firewall-rule", map[string]string{"name": "gift", "from": "fd00::/8", "port": "5432"}, map[string]string{"firewall/gift.nft": "ip6 saddr fd00::/8 tcp dport 5432 accept"})
	build("add-to-rotation", map[string]string{"schedule": "shop", "person": "carol"}, map[string]string{"oncall/shop.yml": "carol"})
	r := o.submit("alice", "add-to-rotation", map[string]string{"schedule": "shop", "person": "nobody-here"})
	if r, err := o.desk.Decide(ctx, noon, "bob", r.ID, true, ""); err != nil || r.Status != act.RequestQueued || !strings.Contains(r.Reason, "would not be valid") {
		t.Errorf("got %+v %v", r, err)
	}
	r = o.submit("alice", "silence-for-maintenance", map[string]string{"service": "checkout", "reason": "new disks arrive"})
	if r.Status != act.RequestRunning || o.runs.started[0].Params["minutes"] != "60" {
		t.Errorf("self-service: got %+v", r)
	}
	if err := o.desk.Follow(ctx, noon); err != nil {
		t.Fatal(err)
	}
	if r, err := o.desk.Get(ctx, r.ID); err != nil || !r.SelfService {
		t.Errorf("got %+v %v", r, err)
	}
}

// TestTheGrowVolumeStepsGrowAnImage runs the runbook's own shell on a real file system in
// a file.
func TestTheGrowVolumeStepsGrowAnImage(t *testing.T) {
	path := os.Getenv("PATH") + ":/sbin:/usr/sbin"
	t.Setenv("PATH", path)
	image := filepath.Join(t.TempDir(), "disk.img")
	script := func(body string, env ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "-c", body)
		cmd.Env = append([]string{"PATH=" + path, "volume=" + image}, env...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	script(`truncate -s 64M "$volume" && mkfs.ext4 -q -F "$volume"`)
	w, problems, err := workspace.Load("../../examples/shop/workspace", noon)
	if err != nil || w == nil {
		t.Fatalf("%v %v", err, problems)
	}
	for _, step := range w.Runbook("grow-volume").Steps {
		script(step.Body, "gib=1")
	}
	if out := script(`dumpe2fs -h "$volume" 2>/dev/null | awk '/^Block count/ { n=$3 } /^Block size/ { s=$3 } END { print n*s }'`); strings.TrimSpace(out) != fmt.Sprint(64<<20+1<<30) {
		t.Errorf("the file system has %s bytes", strings.TrimSpace(out))
	}
}

func TestBlueprintsStayInside(t *testing.T) {
	for _, name := range []string{"../x", "/etc/x", ".git/config", "catalog/.x", "evenkeel.yml", "policies/gate.yml", "requests/x.yml", "blueprints/x/y", "a//b", "catalog/../evenkeel.yml", ""} {
		if err := inside(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if err := inside("catalog/x.yml"); err != nil {
		t.Error(err)
	}
}

// TestManifestsThatWouldNotPassAreNotWritten: a house's own template is held to the same.
func TestManifestsThatWouldNotPassAreNotWritten(t *testing.T) {
	o := newOffice(t)
	name := filepath.Join(o.dir, "blueprints/new-service/kubernetes.yml")
	data, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.Replace(string(data), "runAsNonRoot: true, ", "", 1)), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.reload()
	r := o.submit("alice", "new-service", map[string]string{"name": "gift", "team": "shop", "image": "shop/gift:1.0"})
	r, err = o.desk.Decide(t.Context(), noon, "bob", r.ID, true, "")
	if err != nil || r.Status != act.RequestQueued || !strings.Contains(r.Reason, "kubernetes/gift.yml:") || !strings.Contains(r.Reason, "runAsNonRoot: true") {
		t.Errorf("got %+v %v", r, err)
	}
	if _, err := os.Stat(filepath.Join(o.dir, "catalog/gift.yml")); err == nil {
		t.Error("half of it was written")
	}
}
