package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
)

// watch runs a watcher until the test ends, and returns what it is told in a channel.
func watch(t *testing.T, dir string, debounce, poll time.Duration) (*Watcher, chan string) {
	t.Helper()
	told := make(chan string, 1000)
	w, err := New(Options{Dir: dir, Debounce: debounce, Poll: poll, OnLoad: func(_ context.Context, w *declare.Workspace, problems declare.Problems) {
		if w == nil {
			told <- "refused: " + problems.Error()
			return
		}
		told <- "loaded: " + w.Settings.ExternalURL
	}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := w.Run(ctx); err != nil {
			t.Errorf("run ended with %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return w, told
}

func external(n int) string { return fmt.Sprintf("external_url: https://%d.example.org\n", n) }

// put replaces a file in one step, so that what a watcher sees in between is known.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	write(t, dir, ".new/file", text)
	file := filepath.Join(dir, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.Rename(filepath.Join(dir, ".new/file"), file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func next(t *testing.T, told chan string, want string) {
	t.Helper()
	select {
	case got := <-told:
		if got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("nothing for 30 seconds, want %q", want)
	}
}

// TestWatcher follows changes by events and, where there are none, by looking.
func TestWatcher(t *testing.T) {
	f := func(debounce, poll time.Duration) {
		t.Helper()
		dir := folder(t, map[string]string{"evenkeel.yml": external(1), "runbooks/drain.md": "", "objectives/checkout.yml": "", "rules/shop.yml": "", "rules/shop_test.yml": ""})
		w, told := watch(t, dir, debounce, poll)
		put(t, dir, "evenkeel.yml", external(2))
		next(t, told, "loaded: https://2.example.org")
		if got := w.Current().Settings.ExternalURL; got != "https://2.example.org" {
			t.Errorf("current is %s", got)
		}
		// Half a file: the last valid workspace stays, and it is said what is wrong.
		before := w.Current()
		put(t, dir, "evenkeel.yml", "external_url: [https://3.exam")
		next(t, told, "refused: evenkeel.yml:2: expected valid YAML (did not find expected ',' or ']')")
		if w.Current() != before {
			t.Error("a workspace that was refused is used")
		}
		if p, at := w.Problems(); len(p) != 1 || time.Since(at) > time.Minute {
			t.Errorf("%v at %s", p, at)
		}
		put(t, dir, "evenkeel.yml", external(3))
		next(t, told, "loaded: https://3.example.org")
		if p, _ := w.Problems(); len(p) != 0 {
			t.Errorf("still %v", p)
		}
		// A new folder with a file, which then is replaced.
		put(t, dir, "runbooks/deep/er/x.md", "# X\n")
		next(t, told, "loaded: https://3.example.org")
		put(t, dir, "runbooks/deep/er/x.md", "# Y\n")
		next(t, told, "loaded: https://3.example.org")
		if rb := w.Current().Runbook("x"); rb == nil || rb.Title != "Y" {
			t.Errorf("%+v", rb)
		}
		put(t, dir, "evenkeel.yml", external(4))
		next(t, told, "loaded: https://4.example.org")
		if err := os.Remove(filepath.Join(dir, "evenkeel.yml")); err != nil {
			t.Fatal(err)
		}
		next(t, told, "loaded: ")
	}
	f(5*time.Millisecond, time.Hour)
	f(time.Hour, 20*time.Millisecond)
}

// TestNewVersionByLink: a version is put in place by changing a link, as deployments do.
func TestNewVersionByLink(t *testing.T) {
	one, two := folder(t, nil), folder(t, nil)
	put(t, one, "scrape.yml", "")
	put(t, two, "oncall/shop.yml", "")
	at := filepath.Join(t.TempDir(), "current")
	swap := func(to string) {
		t.Helper()
		err := os.Symlink(to, at+".new")
		if err == nil {
			err = os.Rename(at+".new", at)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	swap(one)
	w, told := watch(t, at, 5*time.Millisecond, time.Hour)
	if len(w.Current().Schedules) != 1 {
		t.Error("not the first version")
	}
	swap(two)
	next(t, told, "loaded: ")
	if len(w.Current().Schedules) != 0 {
		t.Error("not the second version")
	}
	swap(one)
	next(t, told, "loaded: ")
}

// TestTheFolderGoesAway and comes back: what was valid last stays.
func TestTheFolderGoesAway(t *testing.T) {
	dir := filepath.Join(folder(t, nil), "x")
	put(t, dir, "evenkeel.yml", external(1))
	w, told := watch(t, dir, 5*time.Millisecond, 20*time.Millisecond)
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	next(t, told, fmt.Sprintf("refused: .: expected a workspace folder (cannot read workspace %q: no such file or directory)", dir))
	if err := w.Reload(t.Context()); err == nil || w.Current().Settings.ExternalURL != "https://1.example.org" {
		t.Errorf("%v; current is %+v", err, w.Current().Settings)
	}
	if err := os.Rename(dir+".away", dir); err != nil {
		t.Fatal(err)
	}
	next(t, told, "loaded: https://1.example.org")
}

// TestReload answers with what is wrong, each revision is told once.
func TestReload(t *testing.T) {
	dir := folder(t, nil)
	calls := 0
	w, err := New(Options{Dir: dir, OnLoad: func(context.Context, *declare.Workspace, declare.Problems) { calls++ }})
	if err != nil {
		t.Fatal(err)
	}
	reload := func(want int) error {
		t.Helper()
		err := w.Reload(t.Context())
		if calls != want {
			t.Errorf("%d calls, want %d", calls, want)
		}
		return err
	}
	if err := reload(0); err != nil {
		t.Error(err)
	}
	put(t, dir, "oncall/shop.yml", "schedule: []\n")
	for range 3 {
		var problems declare.Problems
		if err := reload(1); !errors.As(err, &problems) || !strings.Contains(problems.Error(), `did you mean "schedules"?`) {
			t.Errorf("got %v", err)
		}
	}
	put(t, dir, "oncall/shop.yml", whole["oncall/shop.yml"])
	for range 3 {
		if err := reload(2); err != nil {
			t.Error(err)
		}
	}
	// A first one that is not valid is no start.
	put(t, dir, "oncall/shop.yml", "schedule: []\n")
	if _, err := New(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "oncall/shop.yml:1:1: schedule: ") {
		t.Errorf("got %v", err)
	}
}

// TestAlwaysWhole: while files are replaced, one after the other and half of them
// broken, whoever asks has a workspace in which everything fits.
func TestAlwaysWhole(t *testing.T) {
	service := func(n int) (catalog, oncall string) {
		return strings.ReplaceAll(whole["catalog/all.yml"], "metadata: {name: shop}", fmt.Sprintf("metadata: {name: shop, title: T%d}", n)),
			strings.ReplaceAll(whole["oncall/shop.yml"], "{name: shop,", fmt.Sprintf("{name: s%d,", n))
	}
	dir := folder(t, nil)
	w, told := watch(t, dir, time.Millisecond, 5*time.Millisecond)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				c := w.Current()
				if c == nil || len(c.Teams) != 1 || len(c.Teams[0].Members) != 2 || len(c.Services) != 1 || len(c.Schedules) != 1 || len(c.Problems.Errors()) > 0 {
					t.Errorf("not whole: %+v", c)
					return
				}
			}
		})
	}
	const last = 40
	for n := range last + 1 {
		catalog, oncall := service(n)
		put(t, dir, "oncall/shop.yml", oncall[:len(oncall)/2])
		put(t, dir, "catalog/all.yml", catalog[:len(catalog)*2/3])
		put(t, dir, "oncall/shop.yml", oncall)
		put(t, dir, "catalog/all.yml", catalog)
	}
	deadline := time.Now().Add(30 * time.Second)
	for w.Current().Schedules[0].Name != fmt.Sprintf("s%d", last) || w.Current().Teams[0].Title != fmt.Sprintf("T%d", last) {
		if time.Now().After(deadline) {
			t.Fatalf("the last version is not there: %+v", w.Current().Schedules[0])
		}
		<-told
	}
	close(done)
	wg.Wait()
}
