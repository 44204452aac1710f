package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/state"
)

// process is a server that can be killed.
type process struct {
	t     *testing.T
	dir   string
	addr  string
	token string
	cmd   *exec.Cmd
	log   safeBuffer
}

// killWorkspace pages as soon as queue_depth is high, and has a runbook whose step
// takes a while.
var killWorkspace = map[string]string{
	"evenkeel.yml": "evaluation: {interval: 500ms}\nhost: {enabled: false}\notlp: {grpc: \"off\"}\n",
	"catalog/all.yml": `apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: ops}
spec: {type: team, children: [], members: [carol]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: carol, labels: {evenkeel.dev/level: lead}}
spec: {memberOf: [ops]}
---
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: queue}
spec: {type: service, lifecycle: production, owner: ops}
`,
	"rules/queue.yml": `groups:
  - name: queue
    rules:
      - alert: QueueStuck
        expr: queue_depth > 100
        labels: {severity: page, service: queue, team: ops}
`,
	"runbooks/drain.md": "---\ntitle: Drain\nservices: [queue]\n---\n# Drain\n\n" +
		"```sh {name=one risk=low retry=safe}\necho one\n```\n\n" +
		"```sh {name=two risk=low retry=safe}\nsleep 3; echo two\n```\n\n" +
		"```sh {name=three risk=low retry=safe}\necho three\n```\n",
}

func newProcess(t *testing.T) *process {
	t.Helper()
	p := &process{t: t, dir: t.TempDir()}
	for name, text := range killWorkspace {
		path := filepath.Join(p.dir, "workspace", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	db, err := state.Open(t.Context(), filepath.Join(p.dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	if p.token, _, err = account.New(db).CreateToken(t.Context(), time.Now(), journal.System("test"), "carol", "test", 0); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String() // the same one after each kill, as its senders expect
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill() })
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd = exec.Command(os.Args[0], "serve", "-w", filepath.Join(p.dir, "workspace"), "-d", filepath.Join(p.dir, "data"), "--listen", p.addr)
	p.cmd.Env = append(os.Environ(), runAsCLI+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.until("the server to answer", func() bool {
		res, err := http.Get("http://" + p.addr + "/-/ready")
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// kill is kill -9.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGKILL)
	_ = p.cmd.Wait()
}

func (p *process) until(what string, ok func() bool) {
	p.t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			p.t.Fatalf("waited too long for %s:\n%s", what, p.log.String())
		}
	}
}

// call returns the error of a request that was not answered with 2xx.
func (p *process) call(method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, "http://"+p.addr+"/api/evenkeel/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// write sends one sample of each series and returns nil only when it was acknowledged.
func (p *process) write(at time.Time, samples map[string]float64) error {
	var req prompb.WriteRequest
	for name, v := range samples {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  []prompb.Label{{Name: "__name__", Value: name}},
			Samples: []prompb.Sample{{Timestamp: at.UnixMilli(), Value: v}},
		})
	}
	body, err := proto.Marshal(&req)
	if err != nil {
		return err
	}
	res, err := http.Post("http://"+p.addr+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	return nil
}

// samples returns the values of a series by time.
func (p *process) samples(expr string) map[int64]string {
	p.t.Helper()
	res, err := http.Get("http://" + p.addr + "/api/v1/query?query=" + expr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []struct {
				Values [][2]any
			}
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		p.t.Fatal(err)
	}
	out := map[int64]string{}
	for _, s := range answer.Data.Result {
		for _, v := range s.Values {
			ts, _ := v[0].(float64)
			out[int64(ts*1000+0.5)], _ = v[1].(string)
		}
	}
	return out
}

// TestKilledTwentyTimes kills the server under load, twenty times: every sample and
// every change of state that it acknowledged is there afterwards, an incident stays
// what it was, and a run goes on where it was.
func TestKilledTwentyTimes(t *testing.T) {
	const kills = 20
	p := newProcess(t)
	p.start()
	var (
		mu      sync.Mutex
		acked   = map[int64]float64{}
		changes []string
	)
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	load.Go(func() { // samples
		for n := 1.0; ctx.Err() == nil; n++ {
			at := time.Now()
			if p.write(at, map[string]float64{"load": n, "queue_depth": 500}) == nil {
				mu.Lock()
				acked[at.UnixMilli()] = n
				mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond) // the rate of the load; a time stamp is a millisecond
		}
	})
	load.Go(func() { // state
		for n := 0; ctx.Err() == nil; n++ {
			c := api.NewChange{ID: fmt.Sprintf("c-%d", n), Kind: "deploy", Service: "queue", Summary: "a change"}
			err := p.call(http.MethodPost, "changes", c, nil)
			if err == nil {
				mu.Lock()
				changes = append(changes, c.ID)
				mu.Unlock()
			} else if !errors.As(err, new(net.Error)) && !strings.Contains(err.Error(), "EOF") {
				t.Errorf("change %d: %v", n, err)
				return
			}
			time.Sleep(3 * time.Millisecond)
		}
	})
	var i respond.Incident
	p.until("an incident", func() bool { return p.call(http.MethodGet, "incidents/1", nil, &i) == nil })
	if err := p.call(http.MethodPost, "incidents/1/acknowledge", map[string]string{}, &i); err != nil {
		t.Fatal(err)
	}
	var run act.Run
	if err := p.call(http.MethodPost, "runs", act.StartRun{Runbook: "drain", Incident: 1}, &run); err != nil {
		t.Fatal(err)
	}
	runID := run.ID
	var notes []string
	for n := range kills {
		// A different moment each time, early and late in what goes on.
		time.Sleep(time.Duration(30+n*17%200) * time.Millisecond)
		note := fmt.Sprintf("note %d", n)
		if p.call(http.MethodPost, "incidents/1/notes", map[string]string{"text": note}, nil) == nil {
			notes = append(notes, note)
		}
		p.kill()
		p.start()
		if err := p.call(http.MethodGet, "incidents/1", nil, &i); err != nil || i.Status != respond.Acknowledged {
			t.Fatalf("after kill %d the incident is %q, %v", n, i.Status, err)
		}
	}
	stop()
	load.Wait()
	p.until("the run to go on to its end", func() bool {
		return p.call(http.MethodGet, "runs/"+runID, nil, &run) == nil && run.Status.Ended()
	})
	for _, s := range run.Steps {
		if s.Status != act.StepDone {
			t.Errorf("step %s is %s: %s", s.Name, s.Status, s.Detail)
		}
	}
	p.kill()
	p.start()
	if len(acked) < kills || len(changes) < kills || len(notes) != kills {
		t.Fatalf("too little load to prove anything: %d samples, %d changes, %d notes", len(acked), len(changes), len(notes))
	}
	stored := p.samples("load[1h]")
	lost := 0
	for at, v := range acked {
		if stored[at] != fmt.Sprint(v) {
			lost++
		}
	}
	if lost > 0 {
		t.Errorf("%d of %d acknowledged samples are lost", lost, len(acked))
	}
	for _, id := range changes {
		if err := p.call(http.MethodGet, "changes/"+id, nil, nil); err != nil {
			t.Errorf("acknowledged change %s: %v", id, err)
		}
	}
	var timeline struct{ Items []journal.Fact }
	if err := p.call(http.MethodGet, "incidents/1/timeline", nil, &timeline); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, f := range timeline.Items {
		texts = append(texts, f.Text)
	}
	for _, note := range notes {
		if !strings.Contains(strings.Join(texts, "\n"), note) {
			t.Errorf("acknowledged note %q is lost", note)
		}
	}
	var incidents struct{ Items []respond.Incident }
	if err := p.call(http.MethodGet, "incidents", nil, &incidents); err != nil || len(incidents.Items) != 1 {
		t.Errorf("one finding made %d incidents, %v", len(incidents.Items), err)
	}
	t.Logf("%d samples, %d changes and %d notes survived %d kills", len(acked), len(changes), len(notes), kills)
}
