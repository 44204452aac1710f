package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/detect"
)

const estate = `
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: [], members: [alice, bob]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: engineer}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: bob, labels: {evenkeel.dev/level: senior}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: checkout, labels: {evenkeel.dev/tier: "1"}, annotations: {github.com/project-slug: acme/checkout}}
spec: {type: service, lifecycle: production, owner: shop}
`

// newApp is the whole program on files, without the network.
func newApp(t *testing.T, files map[string]string) *App {
	t.Helper()
	dir := t.TempDir()
	if files["catalog/shop.yml"] == "" {
		files["catalog/shop.yml"] = estate
	}
	for name, text := range files {
		path := filepath.Join(dir, "workspace", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, err := New(t.Context(), Options{Workspace: filepath.Join(dir, "workspace"), Data: filepath.Join(dir, "data"), Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (a *App) sample(t *testing.T, at time.Time, value float64, ls ...string) {
	t.Helper()
	app := a.metrics.AppenderV2(t.Context())
	if _, err := app.Append(0, labels.FromStrings(ls...), 0, at.UnixMilli(), value, nil, nil, storage.AppendV2Options{}); err != nil {
		t.Fatal(err)
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

func TestAChangeThatNobodyRecordedIsFound(t *testing.T) {
	a := newApp(t, map[string]string{"evenkeel.yml": "metrics: {out_of_order: 2h}\n"})
	ctx := t.Context()
	start := time.Now().Add(-40 * time.Minute).Truncate(time.Second)
	see := func(after time.Duration, version string) {
		t.Helper()
		at := start.Add(after)
		a.sample(t, at, 1, "__name__", "build_info", "job", "checkout", "version", version)
		if err := a.lookForUnrecorded(ctx, at); err != nil {
			t.Fatal(err)
		}
	}
	open := func() []detect.Finding { return a.findings.OpenFindings(detectorChange) }
	see(0, "1.0")
	see(10*time.Minute, "1.1")
	see(12*time.Minute, "1.1")
	if len(open()) != 0 {
		t.Errorf("too early: %+v", open())
	}
	see(25*time.Minute, "1.1")
	if found := open(); len(found) != 1 || found[0].Service != "checkout" || found[0].Team != "shop" || !strings.Contains(found[0].Summary, "from 1.0 to 1.1") {
		t.Fatalf("got %+v", found)
	}
	// Recorded late, it is explained.
	if _, err := a.changes.Record(ctx, time.Now(), "person:alice", act.Change{Kind: act.Deploy, Service: "checkout", To: "v1.1", StartedAt: start.Add(9 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	see(26*time.Minute, "1.1")
	if found := open(); len(found) != 0 {
		t.Errorf("got %+v", found)
	}
}

func TestHooksAreSignedWithTheSecretOfTheSettings(t *testing.T) {
	t.Setenv("TEST_GITHUB_SECRET", "s3cret")
	a := newApp(t, map[string]string{"evenkeel.yml": "hooks: {github: {secret: '${env:TEST_GITHUB_SECRET}'}, argocd: {secret_file: argocd.secret}}\n"})
	body := `{"repository":{"full_name":"acme/checkout"},"deployment":{"id":42,"ref":"v1.5.0","environment":"production","creator":{"login":"ci"},"created_at":"` + time.Now().UTC().Format(time.RFC3339) + `"}}`
	m := hmac.New(sha256.New, []byte("s3cret"))
	m.Write([]byte(body))
	send := func(source string, header map[string]string) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/hooks/"+source, strings.NewReader(body))
		for k, v := range header {
			r.Header.Set(k, v)
		}
		rec := httptest.NewRecorder()
		a.Handler().ServeHTTP(rec, r)
		return rec
	}
	event := map[string]string{"X-GitHub-Event": "deployment", "X-GitHub-Delivery": "1", "X-Hub-Signature-256": "sha256=" + hex.EncodeToString(m.Sum(nil))}
	if rec := send("github", event); rec.Code != http.StatusAccepted {
		t.Fatalf("got %d %s", rec.Code, rec.Body)
	}
	c, err := a.changes.Get(t.Context(), "github:acme/checkout:deployment:42")
	if err != nil || c.Service != "checkout" || c.Risk != "high" { // of tier 1, by the catalogue
		t.Errorf("got %+v %v", c, err)
	}
	if rec := send("github", event); rec.Code != http.StatusConflict {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	t.Setenv("TEST_GITHUB_SECRET", "rotated") // takes effect at once
	if rec := send("github", event); rec.Code != http.StatusUnauthorized {
		t.Errorf("got %d %s", rec.Code, rec.Body)
	}
	for source, status := range map[string]int{"gitlab": 403, "argocd": 403, "nothing": 404} {
		if rec := send(source, event); rec.Code != status || strings.Contains(rec.Body.String(), a.ws().Dir) {
			t.Errorf("%s: got %d %s", source, rec.Code, rec.Body)
		}
	}
}
