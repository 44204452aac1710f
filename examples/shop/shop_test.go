package shop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBadReleaseFailsFourInTenOrdersUntilItIsRolledBack(t *testing.T) {
	t.Parallel()
	e := listenIn(t)
	s := open(t, Options{Rate: 120, EvenkeelURL: e.URL, Token: "ek_test"})

	first := scrape(t, s, checkoutName)
	for _, code := range []string{"201", "500", "502", "504"} {
		if _, ok := first[`http_server_requests_total{code="`+code+`", method="POST", route="/orders", service="checkout"}`]; !ok {
			t.Errorf("no series for orders with code %s from the start: the first would be no increase", code)
		}
	}
	if got := failures(t, s, 60); got != 0 {
		t.Errorf("good release: %.0f %% of orders fail, expected none", 100*got)
	}

	// The record comes before the traffic.
	e.mu.Lock()
	e.onStart = func(c Change) {
		if sum(scrape(t, s, c.Service), "build_info", `version="`+c.From+`"`) != 1 {
			t.Errorf("%s %s serves before it is announced", c.Service, c.To)
		}
	}
	e.mu.Unlock()
	done := mustDo(t)(s.Inject("bad-release", "ci"))
	if got := failures(t, s, 200); got < 0.30 || got > 0.50 {
		t.Errorf("bad release: %.0f %% of orders fail, expected 30 to 50", 100*got)
	}
	if got := s.Faults()[0]; !got.Active {
		t.Errorf("got %+v, expected it to be active", got)
	}

	// Rolled back as the runbook does, not by ending the fault.
	code, body := call(t, "POST", s.ControlURL()+"/rollback", `{"service": "checkout", "version": "1.4.0", "actor": "runbook"}`)
	if code != http.StatusOK {
		t.Fatalf("rollback: got %d %s", code, body)
	}
	if got := failures(t, s, 100); got != 0 {
		t.Errorf("after the rollback %.0f %% of orders fail, expected none", 100*got)
	}
	if s.Faults()[0].Active {
		t.Error("the fault is still active after the rollback")
	}

	// Twice the same order does nothing, and is not announced.
	if again := mustDo(t)(s.Rollback(Order{Service: checkoutName, Version: "1.4.0"})); !again.Unchanged {
		t.Errorf("got %+v, expected nothing to do", again)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.changes) != 4 {
		t.Fatalf("got %d announcements, expected start and end of two changes: %+v", len(e.changes), e.changes)
	}
	start, end, back := e.changes[0], e.changes[1], e.changes[2]
	if start.ID != done.Change || start.Kind != "deploy" || start.Service != checkoutName || start.From != "1.4.0" || start.To != "1.4.1" ||
		start.Actor != "ci" || start.Source != "deployer" || start.StartedAt.IsZero() || !start.EndedAt.IsZero() {
		t.Errorf("got start %+v", start)
	}
	if strings.Contains(strings.ToLower(start.Summary), "fail") {
		t.Errorf("the announcement %q gives the fault away", start.Summary)
	}
	if end.EndedAt.IsZero() {
		t.Errorf("got end %+v without ended_at", end)
	}
	if end.EndedAt = start.EndedAt; end != start {
		t.Errorf("got end %+v, expected the start and nothing else changed: %+v", end, start)
	}
	if back.Kind != "rollback" || back.From != "1.4.1" || back.To != "1.4.0" || back.Actor != "runbook" {
		t.Errorf("got rollback %+v", back)
	}
	if e.tokens[0] != "Bearer ek_test" {
		t.Errorf("got authorization %q", e.tokens[0])
	}
}

func TestRollingDeploymentsFailNoRequest(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Rate: 200})
	before := s.Status(t.Context())
	for range 2 {
		for _, name := range services {
			d := mustDo(t)(s.Restart(Order{Service: name}))
			if d.Seconds > 8 {
				t.Errorf("%s took %.1f s", name, d.Seconds)
			}
		}
	}
	mustDo(t)(s.Inject(noiseName, "ci"))
	mustDo(t)(s.End(noiseName, "ci"))
	var after Status
	eventually(t, 10*time.Second, "customers come after the last deployment", func() bool {
		after = s.Status(t.Context())
		return after.Load.Orders > before.Load.Orders+50
	})
	if after.Load.Failed != 0 {
		t.Errorf("%d of %d requests failed", after.Load.Failed, after.Load.Sent)
	}
	for i, st := range after.Services {
		if !st.Healthy || st.PID == before.Services[i].PID || st.Restarts != 0 {
			t.Errorf("got %+v, expected a new healthy process", st)
		}
	}
}

// Without traffic a version has to let go of its socket too.
func TestDeploymentWithoutCustomers(t *testing.T) {
	t.Parallel()
	s := open(t, Options{Rate: 0.01})
	for _, v := range []string{"1.4.1", "1.4.2", "1.4.0"} {
		d := mustDo(t)(s.Deploy(Order{Service: checkoutName, Version: v}))
		if d.Seconds > 8 {
			t.Errorf("%s took %.1f s", v, d.Seconds)
		}
	}
	for _, want := range []string{"1.4.2", "1.4.1", "1.4.0"} {
		if got := mustDo(t)(s.Rollback(Order{Service: checkoutName})); got.To != want {
			t.Errorf("rolled back to %s, expected %s", got.To, want)
		}
	}
	if _, err := s.Rollback(Order{Service: checkoutName}); err == nil || !strings.Contains(err.Error(), "first version") {
		t.Errorf("got %v, expected that there is nothing before", err)
	}
}

func TestPaymentsFaultShowsAtCheckoutOnly(t *testing.T) {
	t.Parallel()
	e := listenIn(t)
	s := open(t, Options{Rate: 120, EvenkeelURL: e.URL})
	for _, code := range []string{"200", "500", "503"} {
		found := false
		for k, v := range e.heard() {
			found = found || strings.Contains(k, "http_server_requests_total") && strings.Contains(k, `code="`+code+`"`) && v >= 0
		}
		if !found {
			t.Errorf("payments did not send code %s from the start: %v", code, e.heard())
		}
	}
	if got := failures(t, s, 60); got != 0 {
		t.Errorf("good release: %.0f %% of orders fail", 100*got)
	}
	mustDo(t)(s.Inject("payments-fault", "ci"))
	if got := failures(t, s, 150); got < 0.20 || got > 0.45 {
		t.Errorf("%.0f %% of orders fail, expected 20 to 45", 100*got)
	}
	var heard map[string]float64
	eventually(t, 10*time.Second, "payments sends what it counts", func() bool {
		heard = e.heard()
		return sum(heard, "payments_authorisations_total", `result="error"`) > 10
	})
	if bad := sum(heard, "http_server_requests_total", `code="5`); bad != 0 {
		t.Errorf("payments answered %g times with 5xx, expected that it thinks it is well", bad)
	}
	if good := sum(heard, "http_server_requests_total", `code="200"`); good < 100 {
		t.Errorf("payments answered %g times, expected its orders", good)
	}
	mustDo(t)(s.End("payments-fault", "ci"))
	if got := failures(t, s, 100); got != 0 {
		t.Errorf("after its end %.0f %% of orders fail", 100*got)
	}
}

func TestSlowCatalogMakesOrdersSlow(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	slow := func(atLeast float64) float64 {
		t.Helper()
		const name = "http_server_request_duration_seconds"
		from := scrape(t, s, checkoutName)
		var now map[string]float64
		count := func(words ...string) float64 { return sum(now, words...) - sum(from, words...) }
		eventually(t, 15*time.Second, fmt.Sprintf("%g orders", atLeast), func() bool {
			now = scrape(t, s, checkoutName)
			return count(name+"_count", orders) >= atLeast
		})
		return 1 - count(name+"_bucket", orders, "le=0.25")/count(name+"_count", orders)
	}
	if got := slow(20); got > 0.5 {
		t.Errorf("good release: %.0f %% of orders are slow", 100*got)
	}
	mustDo(t)(s.Inject("slow-dependency", "ci"))
	slow(10) // those that were under way, and the first that queue
	if got := slow(40); got < 0.5 {
		t.Errorf("slow catalog: %.0f %% of orders are slow, expected most", 100*got)
	}
	mustDo(t)(s.End("slow-dependency", "ci"))
	eventually(t, 15*time.Second, "orders are quick again", func() bool { return slow(10) < 0.5 })
}

func TestLeakGrowsAndStopsAtItsBound(t *testing.T) {
	t.Parallel()
	const bound = 24 << 20
	s := open(t, Options{Rate: 250, LeakBytes: bound})
	resident := func() float64 { return sum(scrape(t, s, checkoutName), "process_resident_memory_bytes") }
	placed := func() float64 {
		return sum(scrape(t, s, checkoutName), "http_server_requests_total", orders, `code="201"`)
	}
	before := resident()
	mustDo(t)(s.Inject("memory-leak", "ci"))
	eventually(t, 20*time.Second, "memory grows by most of the bound", func() bool { return resident() > before+bound*3/4 })
	const fills = bound / (receiptSide * receiptSide * 4)
	eventually(t, 20*time.Second, "more orders than fit", func() bool { return placed() > 1.5*fills })
	// The heap, garbage included: what is resident besides depends on how it was built.
	if got := sum(scrape(t, s, checkoutName), "go_memstats_heap_alloc_bytes"); got > 3.5*bound {
		t.Errorf("%.0f MB on the heap, expected it to be held near %d MB", got/1e6, bound>>20)
	}
	mustDo(t)(s.End("memory-leak", "ci"))
	if got := resident(); got > before+bound {
		t.Errorf("%.0f MB resident after the rollback, expected about %.0f", got/1e6, before/1e6)
	}
}

func TestServiceThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := open(t, Options{})
	pid := s.units[catalogName].now().child.pid
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 15*time.Second, "the catalog is back", func() bool {
		st := s.statusOf(t.Context(), catalogName)
		return st.Healthy && st.PID != pid && st.Restarts == 1
	})
}

func TestChildrenDieWithTheirParent(t *testing.T) {
	t.Parallel()
	parent, control := wholeShop(t)
	_, body := call(t, "GET", control+"/status", "")
	var st Status
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		t.Fatal(err)
	}
	pids := []int{}
	for _, sv := range st.Services {
		if !sv.Healthy || !running(sv.PID) {
			t.Fatalf("got %+v, expected it to run", sv)
		}
		pids = append(pids, sv.PID)
	}
	load, err := exec.Command("pgrep", "-P", fmt.Sprint(parent)).Output()
	if err != nil || len(strings.Fields(string(load))) != len(services)+1 {
		t.Fatalf("got children %q (%v), expected the services and the load", load, err)
	}
	for _, f := range strings.Fields(string(load)) {
		var pid int
		if _, err := fmt.Sscan(f, &pid); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	if err := syscall.Kill(parent, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		eventually(t, 5*time.Second, fmt.Sprintf("process %d dies", pid), func() bool { return !running(pid) })
	}
}

func TestChangesAreToldWhenEvenkeelIsBack(t *testing.T) {
	t.Parallel()
	e := listenIn(t)
	e.deaf = true
	dir := t.TempDir()
	s := open(t, Options{EvenkeelURL: e.URL, Dir: dir})
	if d := mustDo(t)(s.SetFlag(Order{Service: newsletterName, Flag: digestFlag, Value: "on", Actor: "carol"})); d.Seconds > 8 {
		t.Errorf("a deaf Evenkeel held the change up for %.1f s", d.Seconds)
	}
	if got := s.Status(t.Context()).Announcements; got.Waiting != 2 || got.Failure == "" {
		t.Errorf("got %+v, expected two that wait", got)
	}
	text, err := os.ReadFile(dir + "/announcements.json")
	if err != nil || strings.Count(string(text), digestFlag) == 0 {
		t.Errorf("the queue is not in its file: %s, %v", text, err)
	}
	// Another deployer, as after a restart, goes on with the file.
	other, err := newAnnouncer(e.URL, "", dir, s.o.Logger)
	if err != nil {
		t.Fatal(err)
	}
	if got := other.status().Waiting; got != 2 {
		t.Errorf("after a restart %d wait, expected 2", got)
	}
	e.mu.Lock()
	e.deaf = false
	e.mu.Unlock()
	eventually(t, 15*time.Second, "both are told", func() bool { return s.Status(t.Context()).Announcements.Taken == 2 })
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.changes[0]; len(e.changes) != 2 || c.Kind != "flag" || c.From != "weekly_digest=off" || c.To != "weekly_digest=on" || c.Actor != "carol" || !c.EndedAt.IsZero() {
		t.Errorf("got %+v", e.changes)
	}
}

func TestDeploymentThatCannotStartLeavesTheOldVersion(t *testing.T) {
	t.Parallel()
	e := listenIn(t)
	s := open(t, Options{EvenkeelURL: e.URL})
	before := s.Status(t.Context())
	s.o.Binary = "/bin/false"
	_, err := s.Deploy(Order{Service: paymentsName, Version: "2.3.1"})
	if err == nil || !strings.Contains(err.Error(), "cannot deploy payments: cannot start payments 2.3.1: it ended: exit status 1") {
		t.Errorf("got %v", err)
	}
	after := s.statusOf(t.Context(), paymentsName)
	if was := before.Services[1]; !after.Healthy || after.PID != was.PID || after.Version != "2.3.0" || after.Previous != "" {
		t.Errorf("got %+v, expected what ran before: %+v", after, was)
	}
	eventually(t, 5*time.Second, "the end is announced", func() bool { return s.announce.status().Taken == 2 })
	e.mu.Lock()
	defer e.mu.Unlock()
	if got := e.changes[1]; got.Verdict != "failed" || got.EndedAt.IsZero() {
		t.Errorf("got %+v, expected the verdict that it failed", got)
	}
}

func TestVersionThatDiesWhenItServesIsTakenBack(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Says that it is ready, and ends as soon as it may serve.
	script := t.TempDir() + "/program"
	text := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *3.0.1*) echo ready; read word; exit 7;; esac\nexec %q \"$@\"\n", self)
	if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	s := open(t, Options{Binary: script, Rate: 100})
	_, err = s.Deploy(Order{Service: catalogName, Version: "3.0.1"})
	if err == nil || !strings.Contains(err.Error(), "catalog 3.0.1 ended: exit status 7") {
		t.Errorf("got %v", err)
	}
	eventually(t, 10*time.Second, "3.0.0 serves again", func() bool {
		st := s.statusOf(t.Context(), catalogName)
		return st.Healthy && st.Version == "3.0.0" && st.Restarts == 0
	})
	if got := failures(t, s, 50); got != 0 {
		t.Errorf("%.0f %% of orders fail", 100*got)
	}
}
