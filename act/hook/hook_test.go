package hook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// desk is the handler over a real book.
type desk struct {
	*testing.T
	h     *Handler
	book  *change.Book
	db    *state.DB
	now   time.Time
	later []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	db, err := state.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	d := &desk{T: t, now: noon, db: db, book: change.New(change.Options{DB: db, Known: func(declare.ServiceID) bool { return true }})}
	d.h = New(Options{
		Changes: d.book, Now: func() time.Time { return d.now }, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Secret: func(source string) (string, error) {
			if source == "flux" {
				return "", errors.New("evenkeel.yml declares no hooks.flux with a secret")
			}
			return "s3cret", nil
		},
		Service: func(_ string, names ...string) declare.ServiceID {
			for _, n := range names {
				if strings.HasSuffix(strings.ToLower(n), "checkout") {
					return "checkout"
				}
			}
			return ""
		},
	})
	return d
}

func hexMAC(secret, body string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(m.Sum(nil))
}

func (d *desk) send(source, body string, header ...string) (int, Answer) {
	d.Helper()
	r := httptest.NewRequest(http.MethodPost, "/hooks/"+source, strings.NewReader(body))
	r.SetPathValue("source", source)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	d.h.ServeHTTP(rec, r)
	var a Answer
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		d.Fatalf("%s: got %d %q", source, rec.Code, rec.Body)
	}
	return rec.Code, a
}

func (d *desk) github(event, id, body string) (int, Answer) {
	d.Helper()
	return d.send("github", body, "X-GitHub-Event", event, "X-GitHub-Delivery", id, "X-Hub-Signature-256", hexMAC("s3cret", body))
}

func (d *desk) only() act.Change {
	d.Helper()
	found, err := d.book.List(d.Context(), act.ChangeFilter{})
	if err != nil || len(found) != 1 {
		d.Fatalf("got %d changes, want 1: %+v %v", len(found), found, err)
	}
	return found[0]
}

const deployment = `{"action":"created","repository":{"full_name":"acme/checkout","name":"checkout","html_url":"https://github.com/acme/checkout","default_branch":"main"},
"deployment":{"id":42,"sha":"0edd5d0e0d18516d3309fec90553c3ee7380c149","ref":"v1.5.0","task":"deploy","environment":"production","creator":{"login":"ci"},"created_at":"2026-03-02T11:58:00Z"}}`

func deploymentStatus(s, at string) string {
	return strings.Replace(deployment, `"deployment":`, fmt.Sprintf(`"deployment_status":{"state":%q,"created_at":%q,"updated_at":%q},"deployment":`, s, at, at), 1)
}

func TestGitHub(t *testing.T) {
	d := newDesk(t)
	d.github("push", "1", `{"ref":"refs/heads/fix","after":"aaa","repository":{"full_name":"acme/checkout","default_branch":"main"},"head_commit":{"id":"aaa","timestamp":"2026-03-01T10:00:00Z"},"commits":[{"id":"a0","timestamp":"2026-02-28T10:00:00+01:00"},{"id":"aaa","timestamp":"2026-03-01T10:00:00Z"}]}`)
	pull := `"pull_request":{"number":7,"title":"Round up","merged":%v,"user":{"login":"alice"},"head":{"sha":"aaa","ref":"fix"},"merge_commit_sha":"0edd5d0e0d18516d3309fec90553c3ee7380c149","created_at":"2026-03-01T11:00:00Z","merged_at":%s}`
	d.github("pull_request_review", "2", `{"action":"submitted","repository":{"full_name":"acme/checkout"},"review":{"user":{"login":"bob"},"state":"approved","submitted_at":"2026-03-02T09:00:00Z"},`+fmt.Sprintf(pull, false, "null")+`}`)
	d.github("check_suite", "3", `{"action":"completed","repository":{"full_name":"acme/checkout"},"check_suite":{"head_sha":"aaa","conclusion":"success"}}`)
	d.github("pull_request", "4", `{"action":"closed","repository":{"full_name":"acme/checkout"},`+fmt.Sprintf(pull, true, `"2026-03-02T11:00:00Z"`)+`}`)
	if code, a := d.github("deployment", "5", deployment); code != 202 || len(a.Recorded) != 1 {
		t.Fatalf("got %d %+v", code, a)
	}
	c := d.only()
	e := c.Evidence
	if c.ID != "github:acme/checkout:deployment:42" || c.Service != "checkout" || c.To != "v1.5.0" || !c.EndedAt.IsZero() || e.Author != "alice" || len(e.Reviewers) != 1 || e.Checks != "passed" ||
		!e.CommittedAt.Equal(time.Date(2026, 2, 28, 9, 0, 0, 0, time.UTC)) || e.Environment != "production" {
		t.Errorf("got %+v", c)
	}
	if code, a := d.github("deployment_status", "6", deploymentStatus("failure", "2026-03-02T11:59:30Z")); code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	if c := d.only(); c.Verdict != "failed" || !c.EndedAt.Equal(noon.Add(-30*time.Second)) {
		t.Errorf("got %+v", c)
	}
	if code, a := d.github("star", "7", `{"repository":{"full_name":"acme/checkout"}}`); code != 202 || a.Ignored == "" {
		t.Errorf("got %d %+v", code, a)
	}
	facts, err := d.db.Facts(t.Context(), journal.Query{Ref: "change/github:acme/checkout:deployment:42"})
	if err != nil || len(facts) != 2 || facts[0].Actor != "hook:github" {
		t.Errorf("got %+v %v", facts, err)
	}
}

func TestWrongSendersAreRefused(t *testing.T) {
	d := newDesk(t)
	f := func(source string, want int, why, body string, header ...string) {
		t.Helper()
		code, a := d.send(source, body, header...)
		if code != want || !strings.Contains(a.Error, why) {
			t.Errorf("%s %v: got %d %q, want %d %q", source, header, code, a.Error, want, why)
		}
	}
	f("github", 401, "missing", deployment, "X-GitHub-Event", "deployment")
	f("github", 401, "does not fit", deployment, "X-GitHub-Event", "deployment", "X-Hub-Signature-256", hexMAC("other", deployment))
	f("github", 401, "does not fit", deployment+" ", "X-GitHub-Event", "deployment", "X-Hub-Signature-256", hexMAC("s3cret", deployment))
	f("github", 401, "cannot read", deployment, "X-GitHub-Event", "deployment", "X-Hub-Signature-256", "sha256=zz")
	f("github", 401, "cannot read", deployment, "X-GitHub-Event", "deployment", "X-Hub-Signature-256", "sha1=00")
	f("gitlab", 401, "not the secret", `{}`, "X-Gitlab-Token", "s3cre")
	f("gitlab", 401, "not the secret", `{}`)
	f("argocd", 401, "missing", `{}`)
	f("argocd", 401, "not the secret", `{}`, "Authorization", "Bearer wrong")
	f("terraform", 401, "cannot read", `{"payload_version":1}`, "X-TFE-Notification-Signature", "xyz")
	f("terraform", 401, "does not fit", `{"payload_version":1}`, "X-TFE-Notification-Signature", "00")
	f("flux", 403, "closed", `{}`, "X-Signature", hexMAC("", `{}`))
	f("nowhere", 404, "no hook", `{}`)
	f("github", 413, "too large", strings.Repeat(" ", maxBody+1), "X-GitHub-Event", "deployment")
	body := `{"specversion":"1.0"}`
	sign := func(id string, at time.Time) []string {
		ts := fmt.Sprint(at.Unix())
		m := hmac.New(sha256.New, []byte("s3cret"))
		m.Write([]byte(id + "." + ts + "." + body))
		return []string{"Webhook-Id", id, "Webhook-Timestamp", ts, "Webhook-Signature", "v1,AAAA v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))}
	}
	f("cloudevents", 401, "from this clock", body, sign("m1", noon.Add(-6*time.Minute))...)
	f("cloudevents", 401, "from this clock", body, sign("m1", noon.Add(6*time.Minute))...)
	f("cloudevents", 401, "no signature", body, append(sign("m1", noon), "Webhook-Id", "m2")...)
	f("cloudevents", 422, "expected", body, sign("m1", noon)...) // the signature fits; the body does not
	r := httptest.NewRequest(http.MethodGet, "/hooks/github", nil)
	r.SetPathValue("source", "github")
	rec := httptest.NewRecorder()
	d.h.ServeHTTP(rec, r)
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET: got %d", rec.Code)
	}
	if found, err := d.book.List(t.Context(), act.ChangeFilter{}); err != nil || len(found) != 0 {
		t.Errorf("something was recorded: %+v %v", found, err)
	}
}

func TestReplaysAreRefused(t *testing.T) {
	d := newDesk(t)
	if code, a := d.github("deployment", "one", deployment); code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	refused := func(what string, code int, a Answer) {
		t.Helper()
		if code != http.StatusConflict {
			t.Errorf("%s: got %d %+v", what, code, a)
		}
	}
	code, a := d.github("deployment", "one", deployment)
	refused("the same call", code, a)
	code, a = d.github("deployment", "two", deployment) // the header with the ID is not signed
	refused("with another ID", code, a)
	d.now = noon.Add(-5 * time.Minute)
	code, a = d.github("deployment", "one", deployment)
	refused("when the clock went back", code, a)
	d.now = noon.Add(29 * 24 * time.Hour)
	code, a = d.github("deployment", "three", deployment)
	refused("when it is nearly forgotten", code, a)
	d.now = noon.Add(400 * 24 * time.Hour)
	code, a = d.github("deployment", "three", deployment)
	refused("when it is long forgotten", code, a)

	// One call at the same time from all sides is taken once.
	d.now = noon
	body := deploymentStatus("success", "2026-03-02T11:59:00Z")
	var wg sync.WaitGroup
	codes := make([]int, 20)
	for i := range codes {
		wg.Go(func() { codes[i], _ = d.github("deployment_status", "four", body) })
	}
	wg.Wait()
	taken := 0
	for _, c := range codes {
		if c == 202 {
			taken++
		} else if c != 409 {
			t.Errorf("got %d", c)
		}
	}
	if taken != 1 {
		t.Errorf("taken %d times", taken)
	}
	d.only()
}

func TestGitLab(t *testing.T) {
	d := newDesk(t)
	send := func(id, body string) (int, Answer) {
		return d.send("gitlab", body, "X-Gitlab-Token", "s3cret", "Idempotency-Key", id)
	}
	project := `"project":{"path_with_namespace":"acme/checkout","name":"checkout","web_url":"https://gitlab.example/acme/checkout","default_branch":"main"}`
	if code, a := send("1", `{"object_kind":"deployment","status":"running","deployment_id":9,"status_changed_at":"2026-03-02 11:50:00 +0000","environment":"production","short_sha":"279484c0","commit_url":"https://gitlab.example/acme/checkout/-/commit/279484c09fbe69ededfced8c1bb6e6d24616b468","user":{"username":"alice"},`+project+`}`); code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	if code, a := send("2", `{"object_kind":"deployment","status":"success","deployment_id":9,"status_changed_at":"2026-03-02 11:52:00 +0000","environment":"production","short_sha":"279484c0","user":{"username":"alice"},`+project+`}`); code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	c := d.only()
	if c.Service != "checkout" || c.Kind != act.Deploy || c.EndedAt.Sub(c.StartedAt) != 2*time.Minute || c.Evidence.Commit != "279484c09fbe69ededfced8c1bb6e6d24616b468" {
		t.Errorf("got %+v", c)
	}
	// A flag on, off and on again is three changes.
	for i, on := range []string{"true", "false", "true"} {
		d.now = noon.Add(time.Duration(i) * time.Minute)
		if code, a := d.send("gitlab", `{"object_kind":"feature_flag","user":{"username":"bob"},"object_attributes":{"id":6,"name":"round-up","active":`+on+`},`+project+`}`, "X-Gitlab-Token", "s3cret"); code != 202 || len(a.Recorded) != 1 {
			t.Errorf("got %d %+v", code, a)
		}
	}
	flags, err := d.book.List(t.Context(), act.ChangeFilter{Kind: act.Flag})
	if err != nil || len(flags) != 3 || flags[0].To != "on" || flags[1].To != "off" {
		t.Errorf("got %+v %v", flags, err)
	}
	if code, a := send("5", `{"object_kind":"deployment","status":"success","deployment_id":9,"status_changed_at":"yesterday",`+project+`}`); code != 422 || !strings.Contains(a.Error, "yesterday") {
		t.Errorf("got %d %+v", code, a)
	}
}

func TestGitOpsAndTerraform(t *testing.T) {
	d := newDesk(t)
	get := func(id string) act.Change {
		t.Helper()
		c, err := d.book.Get(t.Context(), id)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		return c
	}
	argo := `{"app":"checkout","phase":"Succeeded","health":"Degraded","revision":"0edd5d0e0d18516d3309fec90553c3ee7380c149","previous":"1.0","startedAt":"2026-03-02T11:50:00Z","finishedAt":"2026-03-02T11:51:00Z","images":["shop/checkout:1.5.0"]}`
	code, a := d.send("argocd", argo, "Authorization", "Bearer s3cret")
	if code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	if c := get(a.Recorded[0]); c.Verdict != "failed" || c.Service != "checkout" || c.To != "0edd5d0e0d18" || c.Labels["images"] != "shop/checkout:1.5.0" {
		t.Errorf("got %+v", c)
	}
	d.h.o.Secret = func(string) (string, error) { return "s3cret", nil }
	fluxOCI := `{"involvedObject":{"kind":"Kustomization","namespace":"shop","name":"checkout"},"timestamp":"2026-03-02T11:54:00Z","reason":"ReconciliationSucceeded","metadata":{"revision":"latest@sha256:6db88c7a7afdd9f6c9e1b1d1ed1c5f2a8a2e2a8c9a5d0f6b3a1e0c9b8a7f6e5d","originRevision":"main@sha1:0edd5d0e0d18516d3309fec90553c3ee7380c149"}}`
	if code, a := d.send("flux", fluxOCI, "X-Signature", hexMAC("s3cret", fluxOCI)); code/100 != 2 || get(a.Recorded[0]).Evidence.Commit != "0edd5d0e0d18516d3309fec90553c3ee7380c149" {
		t.Errorf("an OCI artefact's origin: %d %+v", code, a)
	}
	drifted := `{"payload_version":"2","trigger_scope":"assessment","trigger":"assessment:drifted","message":"Drift Detected","details":{}}`
	sum := hmac.New(sha512.New, []byte("s3cret"))
	sum.Write([]byte(drifted))
	if code, a := d.send("terraform", drifted, "X-TFE-Notification-Signature", hex.EncodeToString(sum.Sum(nil))); code/100 != 2 || len(a.Recorded) != 0 {
		t.Errorf("an assessment: %d %+v", code, a)
	}
	fluxBody := `{"involvedObject":{"kind":"HelmRelease","namespace":"shop","name":"checkout"},"severity":"info","timestamp":"2026-03-02T11:55:00Z","message":"Helm upgrade succeeded","reason":"UpgradeSucceeded","metadata":{"helm.toolkit.fluxcd.io/revision":"1.5.0"}}`
	code, a = d.send("flux", fluxBody, "X-Signature", hexMAC("s3cret", fluxBody))
	if code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	if c := get(a.Recorded[0]); c.Kind != act.Deploy || c.To != "1.5.0" || c.Actor != "flux" {
		t.Errorf("got %+v", c)
	}
	tfc := func(trigger, status, at, by string) (int, Answer) {
		body := fmt.Sprintf(`{"payload_version":1,"run_url":"https://app.terraform.io/x","run_id":"run-1","run_message":"Grow","run_created_by":"alice","workspace_name":"net","organization_name":"acme","notifications":[{"trigger":%q,"run_status":%q,"run_updated_at":%q,"run_updated_by":%q}]}`, trigger, status, at, by)
		m := hmac.New(sha512.New, []byte("s3cret"))
		m.Write([]byte(body))
		return d.send("terraform", body, "X-TFE-Notification-Signature", hex.EncodeToString(m.Sum(nil)))
	}
	if code, a := tfc("run:planning", "planning", "2026-03-02T11:00:00Z", "alice"); code != 202 || len(a.Recorded) != 0 {
		t.Errorf("got %d %+v", code, a)
	}
	tfc("run:applying", "applying", "2026-03-02T11:10:00Z", "bob")
	if code, a := tfc("run:errored", "errored", "2026-03-02T11:12:00Z", "bob"); code != 202 {
		t.Errorf("got %d %+v", code, a)
	}
	if c := get("terraform:run-1"); c.Kind != act.Infrastructure || c.Verdict != "failed" || c.EndedAt.Sub(c.StartedAt) != 2*time.Minute || c.Evidence.Author != "alice" || c.Evidence.Reviewers[0] != "bob" {
		t.Errorf("got %+v", c)
	}
	code, a = d.send("terraform", `{"Workspace":"default","Repo":{"FullName":"acme/net"},"Pull":{"Num":3,"URL":"https://github.com/acme/net/pull/3","Author":"alice","HeadCommit":"0edd5d0e0d18516d3309fec90553c3ee7380c149"},"User":{"Username":"bob"},"Success":true,"Directory":"prod"}`, "Authorization", "Bearer s3cret")
	if code != 202 {
		t.Fatalf("got %d %+v", code, a)
	}
	if c := get(a.Recorded[0]); c.Source != "atlantis" || c.Verdict != "" || len(c.Resources) != 1 {
		t.Errorf("got %+v", c)
	}
}

const deployed = `{"context":{"specversion":"0.6.0-draft","id":"e-1","source":"/pipelines/7","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2026-03-02T11:59:00.5Z"},
"subject":{"id":"/cluster/checkout","content":{"environment":{"id":"production"},"artifactId":"pkg:oci/checkout@sha256%3A0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa151f221d1e8de6817db93427?tag=1.5.0"}}}`

func TestCloudEvents(t *testing.T) {
	d := newDesk(t)
	token := []string{"Authorization", "Bearer s3cret"}
	// Bare, structured and binary are the same event: the second and the third are replays.
	if code, a := d.send("cdevents", deployed, token...); code != 202 || len(a.Recorded) != 1 {
		t.Fatalf("got %d %+v", code, a)
	}
	c := d.only()
	if c.Service != "checkout" || c.To != "1.5.0" || c.Evidence.Environment != "production" || c.Kind != act.Deploy || !c.StartedAt.Equal(noon.Add(-59500*time.Millisecond)) {
		t.Errorf("got %+v", c)
	}
	structured := `{"specversion":"1.0","id":"e-1","source":"/pipelines/7","type":"dev.cdevents.service.deployed.0.3.0","data":` + deployed + `}`
	if code, a := d.send("cdevents", structured, append(token, "Content-Type", "application/cloudevents+json")...); code != 409 {
		t.Errorf("got %d %+v", code, a)
	}
	if code, a := d.send("cdevents", deployed+" ", append(token, "Ce-Id", "e-1", "Ce-Source", "/pipelines/7", "Ce-Type", "dev.cdevents.service.deployed.0.3.0", "Ce-Specversion", "1.0")...); code != 409 {
		t.Errorf("got %d %+v", code, a)
	}
	f := func(source, media, body string, want int, why string) {
		t.Helper()
		code, a := d.send(source, body, append(token, "Content-Type", media)...)
		if code != want || !strings.Contains(a.Error+a.Ignored, why) {
			t.Errorf("%.80s: got %d %+v, want %d %q", body, code, a, want, why)
		}
	}
	f("cdevents", "application/json", strings.Replace(deployed, `"environment":{"id":"production"},`, "", 1), 422, "subject.content.environment")
	f("cdevents", "application/json", strings.Replace(deployed, "service.deployed", "service.celebrated", 1), 422, "a type of CDEvents")
	f("cdevents", "application/json", strings.Replace(deployed, `"id":"e-1"`, `"id":""`, 1), 422, "context.id")
	f("cdevents", "application/json", `[]`, 422, "an object")
	f("cdevents", "application/json", strings.Replace(strings.Replace(deployed, "0.3.0", "0.1.1", 1), `"content"`, `"extra":1,"content"`, 1), 409, "taken already") // an older version, read by what both have
	f("cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"f1","source":"flags","type":"com.example.flag","time":"2026-03-02T11:00:00Z","data":{"kind":"flag","service":"checkout","summary":"round-up on"}}`, 202, "")
	f("cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"f2","source":"flags","type":"com.example.flag","data":{"colour":"red"}}`, 202, "has no kind")
	f("cloudevents", "application/cloudevents+json", `{"specversion":"0.3","id":"f3","source":"flags","type":"x"}`, 422, "specversion")
	f("cloudevents", "application/json", `{"specversion":"1.0"}`, 422, "Content-Type")
	f("cloudevents", "application/cloudevents+json", `{"specversion":1}`, 422, `specversion: got "number", expected a text`)
	f("cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"f4","source":"flags","type":"x","data":{"kind":"flag","resources":"a"}}`, 422, `resources: got "string", expected a list`)
	f("cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"f5","source":"flags","type":"x","data":{"kind":"flag","started_at":5}}`, 422, "a JSON string")
	f("cloudevents", "application/cloudevents-batch+json", `[{"specversion":"1.0","id":"b1","source":"s","type":"t","data":{"kind":"config","service":"checkout"}},{"specversion":"1.0","id":"b2","source":"s","type":"t","data":{"kind":"Bad kind","service":"checkout"}}]`, 422, "kind")
	f("cloudevents", "application/cloudevents-batch+json", `[{"specversion":"1.0","id":"b1","source":"s","type":"t","data":{"kind":"config","service":"checkout"}},{"specversion":"1.0","id":"b2","source":"s","type":"t","data":{"kind":"patch","service":"checkout"}}]`, 202, "")
	f("cloudevents", "application/cloudevents+json", `{"specversion":"1.0","id":"f9","source":"s","type":"t","data_base64":"eyJraW5kIjoic2NhbGUiLCJzZXJ2aWNlIjoiY2hlY2tvdXQifQ=="}`, 202, "")
	kinds := map[act.ChangeKind]int{}
	found, err := d.book.List(t.Context(), act.ChangeFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range found {
		kinds[c.Kind]++
	}
	if len(found) != 5 || kinds[act.Flag] != 1 || kinds[act.Scale] != 1 || kinds[act.Patch] != 1 || kinds[act.Config] != 1 {
		t.Errorf("got %v", kinds)
	}
}

func TestDomainIDs(t *testing.T) {
	want := DomainID{"gitlab", "", "acme", "platform/backend", "mr", "99:1"}
	got, err := ReadDomainID(want.String())
	if err != nil || got != want {
		t.Errorf("got %+v %v", got, err)
	}
	for _, bad := range []string{"", "cdevents:v1:a:b:c:d:e:f", "cdevents:v0:a:b:c:d::f", "cdevents:v0:a:b:c:/d:e:f", "cdevents:v0:a:b:c:e:f"} {
		if _, err := ReadDomainID(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// FuzzRead feeds every parser: none may panic, and what one makes is what the book
// takes or refuses with a reason.
func FuzzRead(f *testing.F) {
	for _, seed := range []struct{ source, event, media, body string }{
		{"github", "deployment", "application/json", deployment},
		{"github", "deployment_status", "application/json", deploymentStatus("success", "2026-03-02T11:59:00Z")},
		{"github", "push", "", `{"ref":"refs/heads/x","repository":{"full_name":"a/b"},"head_commit":{"timestamp":"2026-03-01T10:00:00Z"},"commits":[{}]}`},
		{"gitlab", "", "", `{"object_kind":"deployment","status":"success","deployment_id":9,"status_changed_at":"2026-03-02 11:52:00 +0000","project":{"path_with_namespace":"a/b"}}`},
		{"gitlab", "", "", `{"object_kind":"push","ref":"refs/heads/main","commits":[{"timestamp":"2026-03-02T11:52:00Z"}],"project":{"path_with_namespace":"a/b"}}`},
		{"argocd", "", "", `{"app":"checkout","phase":"Running","startedAt":"2026-03-02T11:50:00Z"}`},
		{"flux", "", "", `{"involvedObject":{"kind":"Kustomization","name":"x"},"timestamp":"2026-03-02T11:50:00Z","reason":"ReconciliationSucceeded","metadata":{"revision":"main@sha1:0edd5d0e0d18516d3309fec90553c3ee7380c149"}}`},
		{"terraform", "", "", `{"payload_version":1,"run_id":"r","notifications":[{"trigger":"run:completed","run_status":"applied","run_updated_at":"2026-03-02T11:50:00Z"}]}`},
		{"terraform", "", "", `{"Workspace":"w","Repo":{"FullName":"a/b"},"Success":false}`},
		{"cdevents", "", "application/json", deployed},
		{"cdevents", "", "application/json", strings.Replace(deployed, `"timestamp"`, `"links":[{"linkType":"RELATION","linkKind":"X","target":{"domainId":"cdevents:v0:::::pr:42"}}],"timestamp"`, 1)},
		{"cloudevents", "", "application/cloudevents-batch+json", `[{"specversion":"1.0","id":"b1","source":"s","type":"t","data":{"kind":"config","service":"checkout"}}]`},
		{"cloudevents", "", "application/cloudevents+json", `{"specversion":"1.0","id":"f","source":"s","type":"t","data_base64":"e30="}`},
	} {
		f.Add(seed.source, seed.event, seed.media, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, source, event, media string, body []byte) {
		h := http.Header{"Content-Type": {media}}
		h.Set("X-GitHub-Event", event)
		d, _, err := read(input{source: source, header: h, body: body, now: noon, service: func(...string) declare.ServiceID { return "" }})
		if err != nil {
			if d.Changes != nil && source != "terraform" {
				t.Errorf("an error and changes: %v", err)
			}
			return
		}
		for _, c := range d.Changes {
			if c.ID == "" || len(c.ID) > 128 {
				if c.Source == "cloudevents" {
					continue // the sender's own ID: the book refuses it
				}
				t.Errorf("ID %q", c.ID)
			}
			if strings.ContainsAny(c.Summary, "\r\n\x00") || len(c.Summary) > 500 {
				t.Errorf("summary %q", c.Summary)
			}
		}
		if e, err := ReadEvent(body); err == nil { // what is read is written the same
			again, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ReadEvent(again); err != nil {
				t.Errorf("%s became %s: %v", body, again, err)
			}
			if bytes.Contains(again, []byte{0}) {
				t.Error("a NUL")
			}
		}
	})
}
