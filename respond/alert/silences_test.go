package alert

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
)

// TestAddSilence: what is refused says why and leaves nothing; what is taken is
// listed as it was given.
func TestAddSilence(t *testing.T) {
	r := open(t, t.TempDir())
	bob := journal.Person("bob")
	f := func(field string, d time.Duration, comment string, matchers ...string) {
		t.Helper()
		s, err := r.AddSilence(t.Context(), time.Now(), bob, matchers, d, comment)
		var invalid *respond.InvalidError
		switch {
		case field == "":
			list, lerr := r.Silences(t.Context())
			at := slices.IndexFunc(list, func(x Silence) bool { return x.ID == s.ID })
			if err != nil || lerr != nil || at < 0 || !slices.Equal(list[at].Matchers, matchers) || list[at].CreatedBy != "bob" || list[at].State != "active" {
				t.Errorf("%v %v %+v", err, lerr, list)
			}
		case !errors.As(err, &invalid) || invalid.Field != field:
			t.Errorf("got %T %v, want a mistake in %s", err, err, field)
		}
	}
	f("", time.Hour, "works", `service="checkout"`)
	f("", 90*24*time.Hour, "works", `service=~"pay.*"`, `severity!="page"`, `name="with \"quotes\", and commas"`)
	f("matchers", time.Hour, "works")
	f("matchers", time.Hour, "works", "checkout")
	f("matchers", time.Hour, "works", `service=~"("`)
	f("silence", time.Hour, "works", `service=~".*"`) // everything
	f("duration", 0, "works", `service="checkout"`)
	f("duration", -time.Hour, "works", `service="checkout"`)
	f("duration", 91*24*time.Hour, "works", `service="checkout"`)
	f("comment", time.Hour, " ", `service="checkout"`)
	f("silence", time.Hour, strings.Repeat("x", 65<<10), `service="checkout"`)

	list, err := r.Silences(t.Context())
	if err != nil || len(list) != 2 {
		t.Fatalf("%+v %v", list, err)
	}
	for _, id := range []string{"", "nobody", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"} {
		if err := r.ExpireSilence(t.Context(), time.Now(), bob, id); !errors.Is(err, respond.ErrNotFound) {
			t.Errorf("end silence %q: %v", id, err)
		}
	}
	// Many who end the same one: once it ends, and once it is a fact.
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			var invalid *respond.InvalidError
			if err := r.ExpireSilence(t.Context(), time.Now(), bob, list[0].ID); err != nil && !errors.As(err, &invalid) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	facts, err := r.o.DB.Facts(t.Context(), journal.Query{Kind: "silence.", Oldest: true})
	var kinds []string
	for _, x := range facts {
		kinds = append(kinds, string(x.Kind)+" "+string(x.Actor))
	}
	if want := []string{"silence.created person:bob", "silence.created person:bob", "silence.expired person:bob"}; err != nil || !slices.Equal(kinds, want) {
		t.Errorf("facts: %q, %v", kinds, err)
	}
}

// TestManySilences: each that was acknowledged is on disk, also when many come at once.
func TestManySilences(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir)
	const many = 40
	var wg sync.WaitGroup
	for n := range many {
		wg.Go(func() {
			if _, err := r.AddSilence(t.Context(), time.Now(), journal.Person("bob"), []string{fmt.Sprintf(`service="s%d"`, n)}, time.Hour, "works"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := open(t, dir).Silences(t.Context()) // nothing was closed: as after a kill
	if err != nil || len(list) != many {
		t.Errorf("%d silences on disk, want %d (%v)", len(list), many, err)
	}
}

// TestSnapshotsInOrder: a snapshot that takes long does not come to lie over a newer one.
func TestSnapshotsInOrder(t *testing.T) {
	r := open(t, t.TempDir())
	var wg sync.WaitGroup
	begun, newer := make(chan struct{}), make(chan struct{})
	wg.Go(func() {
		if err := r.snapshot("x", func(w io.Writer) (int64, error) {
			close(begun)
			select {
			case <-newer: // it has overtaken
			case <-time.After(100 * time.Millisecond): // it waits its turn
			}
			n, err := io.WriteString(w, "old")
			return int64(n), err
		}); err != nil {
			t.Error(err)
		}
	})
	<-begun
	if err := r.snapshot("x", func(w io.Writer) (int64, error) {
		n, err := io.WriteString(w, "new")
		return int64(n), err
	}); err != nil {
		t.Error(err)
	}
	close(newer)
	wg.Wait()
	if got, err := os.ReadFile(filepath.Join(r.dir, "x")); err != nil || string(got) != "new" {
		t.Errorf("%q %v", got, err)
	}
}

// FuzzPost posts anything to where Alertmanager's clients post: it is taken or refused,
// and what is taken has a fingerprint and bounds.
func FuzzPost(f *testing.F) {
	for _, s := range []string{
		`[{"labels":{"alertname":"A","service":"checkout"},"annotations":{"summary":"x"},"startsAt":"2026-03-01T00:00:00Z","endsAt":"2126-03-01T00:00:00Z"}]`,
		`[{"labels":{"alertname":"A"}},{}]`, `[{"labels":{"":"x"}}]`, `[null]`, `null`, `[]`, `{}`, `[[]]`, `[{"labels":null}]`, "[{\"labels\":{\"a\":\"\xff\"}}]",
		`[{"labels":{"a":"b"},"endsAt":"0001-01-01T00:00:00Z"}]`, `[{"labels":{"a":"b"},"generatorURL":"javascript:x"}]`,
		fmt.Sprintf(`{"matchers":[{"name":"a","value":"b","isRegex":false}],"startsAt":%q,"endsAt":%q,"createdBy":"x","comment":"x"}`, "2026-03-01T00:00:00Z", "2126-03-01T00:00:00Z"),
		`[ null ,{"labels":{"a":"b"}}]`, `{"matchers":[null],"startsAt":"2026-03-01T00:00:00Z","endsAt":"2126-03-01T00:00:00Z","createdBy":"x","comment":"x"}`,
		`{"id":"x","matchers":[{"name":"a","value":"(","isRegex":true}]}`,
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, body string, silence bool) {
		dir, err := os.MkdirTemp("", "post") // t.TempDir has a # in its name here, which the state's driver does not take
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		r := open(t, dir)
		r.route(t, "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
		r.run(t)
		path := "/api/v2/alerts"
		if silence {
			path = "/api/v2/silences"
		}
		w := call(r, http.MethodPost, path, strings.NewReader(body))
		if w.Code != 200 && (w.Code < 400 || w.Code > 499) {
			t.Errorf("status %d: %s", w.Code, w.Body)
		}
		for _, x := range r.external() {
			if x.Fingerprint == "" || len(x.Labels) == 0 || len(x.Labels) > maxLabels || x.Since.IsZero() {
				t.Errorf("%+v", x)
			}
		}
		get := httptest.NewRecorder()
		r.Handler().ServeHTTP(get, httptest.NewRequest(http.MethodGet, path, nil))
		if get.Code != 200 {
			t.Errorf("reading after it: %d %s", get.Code, get.Body)
		}
	})
}
