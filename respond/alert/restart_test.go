package alert

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	amconfig "github.com/prometheus/alertmanager/config"

	"github.com/evenkeel/evenkeel/state"
)

const grouped = `
route: {receiver: hook, group_by: [service], group_wait: 100ms, group_interval: 200ms, repeat_interval: 1h}
receivers: [{name: hook, webhook_configs: [{url: %q}]}]
`

// TestGrouping: what belongs together is one message, and a second one only says what
// has come since.
func TestGrouping(t *testing.T) {
	hook, hookURL := web(t, always(200))
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(grouped, hookURL))
	r.run(t)
	slow, errs, other := burning(1, "checkout"), burning(2, "checkout"), burning(3, "payments")
	slow.Labels["alertname"], errs.Labels["alertname"] = "Slow", "Errors"
	send(t, r, slow, errs, other)
	until(t, hook, "two groups", func() bool { return hook.count("firing") == 2 })
	if hook.count(`"alertname":"Slow"`) != 1 || hook.count(`"alertname":"Errors"`) != 1 || hook.count(`"truncatedAlerts":0`) != 2 {
		t.Errorf("one message for checkout, one for payments:\n%s", hook)
	}
	late := burning(4, "checkout")
	late.Labels["alertname"] = "Late"
	send(t, r, late)
	until(t, hook, "the group again, with the new one", func() bool { return hook.count(`"alertname":"Late"`) == 1 })
	if n := hook.count("firing"); n != 3 {
		t.Errorf("%d messages, want 3:\n%s", n, hook)
	}
}

// TestKilled: after a kill nobody is told again what was sent before, and the end of
// what was sent is told.
func TestKilled(t *testing.T) {
	hook, hookURL := web(t, always(200))
	dir := t.TempDir()
	first := open(t, dir)
	first.route(t, fmt.Sprintf(quiet1, hookURL))
	first.run(t)
	checkout := burning(1, "checkout")
	send(t, first, checkout)
	until(t, hook, "the page", func() bool { return hook.count("checkout burns") == 1 })

	// What a kill would leave is on disk soon, and without a clean end. (The first one
	// goes on here; nothing of it is told to the second.)
	left := t.TempDir()
	log := filepath.Join(dir, "alerts", "nflog")
	until(t, hook, "the notification log on disk", func() bool {
		data, err := os.ReadFile(log)
		return err == nil && strings.Contains(string(data), "checkout")
	})
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(left, "alerts"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "alerts", "nflog"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	again, againURL := web(t, always(200))
	second := open(t, left)
	second.route(t, fmt.Sprintf(quiet1, againURL))
	second.run(t)
	send(t, second, checkout)
	send(t, second, burning(2, "payments"))
	until(t, again, "what is new", func() bool { return again.count("payments burns") == 1 })
	if again.count("checkout burns") != 0 {
		t.Errorf("told again:\n%s", again)
	}
	checkout.ResolvedAt = time.Now()
	send(t, second, checkout)
	until(t, again, "the end", func() bool { return again.count(`"status":"resolved"`) == 1 })
}

// TestReloadWhileAReceiverHangs: a new routing is in force at once, and what is not
// sent yet goes its way.
func TestReloadWhileAReceiverHangs(t *testing.T) {
	release, called := make(chan struct{}), make(chan struct{}, 100)
	hang := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		called <- struct{}{}
		<-release
	}))
	t.Cleanup(hang.Close)
	t.Cleanup(func() { close(release) })
	r := open(t, t.TempDir())
	r.route(t, fmt.Sprintf(quiet1, hang.URL))
	r.run(t)
	send(t, r, burning(1, "checkout"))
	<-called
	hook, hookURL := web(t, always(200))
	cfg, err := amconfig.Load(fmt.Sprintf(quiet1, hookURL))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Apply(cfg) }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(5 * time.Second): // less than the time that a hanging delivery has
		t.Fatal("the hanging receiver holds up the new routing")
	}
	until(t, hook, "the page by the new routing", func() bool { return hook.count("checkout burns") == 1 })
}

// TestRecordedAfterAKill: what was sent, and a kill kept from being recorded, is on record
// after the next start, once; and its incident does not page again.
func TestRecordedAfterAKill(t *testing.T) {
	hook, hookURL := web(t, always(200))
	dir := t.TempDir()
	first := open(t, dir)
	first.route(t, fmt.Sprintf(quiet1, hookURL))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- first.Run(ctx) }()
	paged := burning(1, "checkout")
	paged.Incident = 7
	send(t, first, paged)
	rows := func(r *rig, want int) func() bool {
		return func() bool {
			var n int
			if err := r.o.DB.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM notifications n JOIN notified d ON d.notification = n.id WHERE n.status = 'sent' AND n.receiver = 'hook' AND d.finding = 1`).Scan(&n); err != nil {
				t.Fatal(err)
			}
			return n == want
		}
	}
	until(t, hook, "the page on record", rows(first, 1))
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := first.o.DB.Update(t.Context(), func(tx *state.Tx) error {
		for _, query := range []string{
			`DELETE FROM notified`, `DELETE FROM notifications`,
			`INSERT INTO findings (id, fingerprint, detector, name, severity, since_ms, opened_ms, seen_ms, incident) VALUES (1, 'x', 'rule', 'ErrorBudgetBurn', 'page', 1, 1, 1, 7)`,
		} {
			if _, err := tx.ExecContext(t.Context(), query); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		second := open(t, dir)
		until(t, hook, "the page on record again", rows(second, 1))
		second.records.wait()
		k := episodeKey{"hook", "webhook[0]", 7}
		if e := second.storms.episodes[k]; e == nil || e.told != 1 || len(e.groups) != 1 {
			t.Errorf("what the incident has told is forgotten: %+v", e)
		}
	}
	if hook.count("checkout burns") != 1 {
		t.Errorf("told again:\n%s", hook)
	}
}

// fullDisk is a file of whose next write half fits.
type fullDisk struct {
	*os.File
	full bool
}

func (f *fullDisk) Write(b []byte) (int, error) {
	if !f.full {
		return f.File.Write(b)
	}
	n, err := f.File.Write(b[:len(b)/2])
	if err == nil {
		err = syscall.ENOSPC
	}
	return n, err
}

// TestToldOnAFullDisk: what is told while the disk is full is noted once there is room again,
// and nothing that stands in the log before or after is lost by it.
func TestToldOnAFullDisk(t *testing.T) {
	hook, hookURL := web(t, always(200))
	dir := t.TempDir()
	r := open(t, dir)
	r.route(t, fmt.Sprintf(quiet1, hookURL))
	r.run(t)
	tell := func(id int64, service string) {
		t.Helper()
		send(t, r, burning(id, service))
		until(t, hook, service, func() bool { return hook.count(service+" burns") == 1 })
	}
	noted := func() (out []string) {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, "alerts", "nflog"))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range readPast(data) {
			for _, s := range []string{"before", "meanwhile", "after"} {
				if strings.Contains(p.group, s) {
					out = append(out, s)
				}
			}
		}
		if whole := wholeEntries(data); whole != len(data) {
			t.Errorf("%d bytes of %d are whole entries", whole, len(data))
		}
		return out
	}
	tell(1, "before")
	until(t, hook, "the first note", func() bool { return len(noted()) == 1 })

	r.log.disk.Lock()
	file, ok := r.log.file.(*os.File)
	if !ok {
		t.Fatal("the log has no file")
	}
	disk := &fullDisk{File: file, full: true}
	r.log.file = disk
	r.log.disk.Unlock()
	tell(2, "meanwhile")
	until(t, hook, "what waits", r.log.waits)
	if got := noted(); len(got) != 1 {
		t.Errorf("noted on a full disk: %q", got)
	}
	r.log.disk.Lock()
	disk.full = false
	r.log.disk.Unlock()
	until(t, hook, "the note, once there is room", func() bool { return len(noted()) == 2 })
	tell(3, "after")
	until(t, hook, "the note that follows", func() bool { return len(noted()) == 3 })
	if got := strings.Join(noted(), " "); got != "before meanwhile after" {
		t.Errorf("noted: %s", got)
	}
}
