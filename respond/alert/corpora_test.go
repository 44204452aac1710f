//go:build corpora

package alert

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/routing"
	"github.com/evenkeel/evenkeel/state"
)

// TestCorporaAlertmanager reads Alertmanager's own configuration files, good and bad:
// its verdict is ours, and every file that it takes comes into force here with all its
// receivers.
func TestCorporaAlertmanager(t *testing.T) {
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	good, bad := 0, 0
	err = filepath.WalkDir(filepath.Join(root, "alertmanager"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".yml") {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, want := amconfig.Load(string(data))
		var problems declare.Problems
		cfg := routing.Read(filepath.Dir(path), filepath.Base(path), data, &problems)
		if (want == nil) != (len(problems.Errors()) == 0) {
			t.Errorf("%s: Alertmanager says %v, we say %v", filepath.Base(path), want, problems)
			return nil
		}
		if want != nil {
			bad++
			if p := problems.Errors()[0]; p.File == "" || p.Want == "" {
				t.Errorf("%s: the problem has no place: %+v", filepath.Base(path), p)
			}
			return nil
		}
		good++
		p, err := New(Options{DB: db, DataDir: t.TempDir(), ExternalURL: &url.URL{Scheme: "http", Host: "evenkeel.test"}, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry()})
		if err != nil {
			return err
		}
		defer func() { p.dispatcher.Load().stop(endPatience) }()
		// A file of a secret that is read at once is not there: Alertmanager stops at it too.
		if err := p.Apply(cfg); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", filepath.Base(path), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Alertmanager's configurations: %d good ones in force, %d bad ones refused with their place; no verdict differs", good, bad)
	if good < 10 || bad < 10 {
		t.Errorf("too few to prove anything: %d good, %d bad", good, bad)
	}
}
