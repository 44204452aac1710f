package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
)

func personID(name string) declare.PersonID { return declare.PersonID(name) }

// The times that the story gives each step: all of it must end within two minutes.
const (
	calm      = 20 * time.Second // of healthy traffic before the fault
	detection = 45 * time.Second
	recovery  = 60 * time.Second
)

// teller prints the story as it happens.
type teller struct {
	*stage
	began time.Time
}

func (t *teller) say(who, format string, args ...any) {
	fmt.Fprintf(t.out, "%6.1fs  %-9s %s\n", time.Since(t.began).Seconds(), who, fmt.Sprintf(format, args...))
}

// call speaks to the API the way anybody would, in a person's name.
func (t *teller) call(ctx context.Context, who, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, t.url+"/api/evenkeel/v1/"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+t.tokens[who])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, strings.TrimSpace(string(text)))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// until asks again and again, until the answer is good or time is up.
func (t *teller) until(ctx context.Context, most time.Duration, what string, ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	var last error
	for {
		ok, err := ask()
		if ok {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: not within %s", what, most), last)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// story plays the first fault through the whole loop.
func (st *stage) story(ctx context.Context) error {
	t := &teller{stage: st, began: time.Now()}
	if err := t.tell(ctx); err != nil {
		t.say("story", "the loop did not close: %v", err)
		return &foundError{}
	}
	t.say("story", "the loop has closed: declared, observed, detected, responded, acted, learned")
	return nil
}

func (t *teller) tell(ctx context.Context) error {
	t.say("shop", "three services run under load; %s of calm first", calm)
	select {
	case <-time.After(calm):
	case <-ctx.Done():
		return ctx.Err()
	}
	if _, err := t.shop.Inject("noise", "ci"); err != nil {
		return err
	}
	t.say("ci", "two harmless changes: a flag of the newsletter, a hotfix of the catalog")
	done, err := t.shop.Inject("bad-release", "ci")
	if err != nil {
		return err
	}
	faulty := time.Now()
	t.say("ci", "deploys %s %s (was %s)", done.Service, done.To, done.From)

	var i respond.Incident
	err = t.until(ctx, detection, "an incident", func() (bool, error) {
		var list struct{ Items []respond.Incident }
		if err := t.call(ctx, "alice", http.MethodGet, "incidents?active=true", nil, &list); err != nil {
			return false, err
		}
		if len(list.Items) == 0 {
			return false, nil
		}
		i = list.Items[0]
		return true, nil
	})
	if err != nil {
		return err
	}
	t.say("evenkeel", "incident %d: %s (%.1f s after the release)", i.Number, i.Title, time.Since(faulty).Seconds())
	err = t.until(ctx, 15*time.Second, "a page with a suspect", func() (bool, error) {
		if err := t.call(ctx, "alice", http.MethodGet, fmt.Sprintf("incidents/%d", i.Number), nil, &i); err != nil {
			return false, err
		}
		var sent struct{ Items []respond.Notification }
		if err := t.call(ctx, "alice", http.MethodGet, fmt.Sprintf("incidents/%d/notifications", i.Number), nil, &sent); err != nil {
			return false, err
		}
		return len(sent.Items) > 0 && sent.Items[0].Status == "sent" && len(i.Suspects) > 0, nil
	})
	if err != nil {
		return err
	}
	t.say("evenkeel", "impact since %s: %s", i.Clocks.Impact.Format("15:04:05"), i.Clocks.ImpactSource)
	for _, s := range i.Suspects {
		t.say("evenkeel", "suspect %d (%.2f): %s", s.Rank, s.Score, s.Reason)
	}
	if i.Suspects[0].Change != done.Change {
		return fmt.Errorf("the first suspect is %s, and not the release %s", i.Suspects[0].Change, done.Change)
	}
	t.say("phone", "rings, with that suspect in the message")
	return t.act(ctx, i)
}

// act is what people do about it.
func (t *teller) act(ctx context.Context, i respond.Incident) error {
	path := fmt.Sprintf("incidents/%d", i.Number)
	if err := t.call(ctx, "alice", http.MethodPost, path+"/acknowledge", map[string]string{"note": "looking"}, &i); err != nil {
		return err
	}
	t.say("alice", "a junior, acknowledges, and starts the runbook %s", i.Runbook)
	var run act.Run
	if err := t.call(ctx, "alice", http.MethodPost, "runs", act.StartRun{Runbook: i.Runbook, Incident: int64(i.Number), Params: map[string]string{"version": "1.4.0"}}, &run); err != nil {
		return err
	}
	get := func() error { return t.call(ctx, "bob", http.MethodGet, "runs/"+run.ID, nil, &run) }
	if err := t.until(ctx, 20*time.Second, "the run to wait for an approval", func() (bool, error) {
		err := get()
		if run.Status.Ended() {
			return false, fmt.Errorf("the run is %s: %s", run.Status, run.Reason)
		}
		return run.Status == act.RunWaiting, err
	}); err != nil {
		return err
	}
	t.say("evenkeel", "%s", run.Reason)
	if len(run.Approvals) == 0 {
		return errors.New("no approval was asked for")
	}
	ask := run.Approvals[len(run.Approvals)-1]
	decide := fmt.Sprintf("runs/%s/steps/%d/approve", run.ID, ask.Step)
	if err := t.call(ctx, "alice", http.MethodPost, decide, map[string]string{"shown_hash": ask.ShownHash, "reason": "it is mine"}, nil); err == nil {
		return errors.New("alice approved her own step")
	}
	t.say("evenkeel", "alice cannot approve it herself")
	if err := t.call(ctx, "bob", http.MethodPost, decide, map[string]string{"shown_hash": ask.ShownHash, "reason": "the release is the suspect"}, nil); err != nil {
		return err
	}
	t.say("bob", "a senior, reads what will run, and approves it")
	if err := t.until(ctx, recovery, "the run to be verified", func() (bool, error) {
		err := get()
		if run.Status.Ended() && run.Status != act.RunVerified {
			return false, fmt.Errorf("the run is %s: %s", run.Status, run.Reason)
		}
		return run.Status == act.RunVerified, err
	}); err != nil {
		return err
	}
	for _, s := range run.Steps {
		if s.Status != act.StepPending {
			t.say("run", "step %s: %s, %s", s.Name, s.Status, s.Detail)
		}
	}
	t.say("evenkeel", "verified: %s", run.Reason)
	if err := t.until(ctx, recovery, "the incident to be mitigated", func() (bool, error) {
		err := t.call(ctx, "bob", http.MethodGet, path, nil, &i)
		return i.Status == respond.Mitigated, err
	}); err != nil {
		return err
	}
	if err := t.call(ctx, "bob", http.MethodPost, path+"/resolve", map[string]string{"note": "rolled back"}, &i); err != nil {
		return err
	}
	t.say("bob", "resolves incident %d", i.Number)
	return t.learn(ctx, i, &run)
}

// learn reads the review.
func (t *teller) learn(ctx context.Context, i respond.Incident, run *act.Run) error {
	var r learn.Review
	if err := t.call(ctx, "bob", http.MethodPost, fmt.Sprintf("incidents/%d/review", i.Number), struct{}{}, &r); err != nil {
		return err
	}
	for _, must := range []string{"/runs/" + run.ID, "/changes/" + i.Suspects[0].Change, "approved by bob", "impact began"} {
		if !strings.Contains(r.Markdown, must) {
			return fmt.Errorf("the review does not speak of %s", must)
		}
	}
	t.say("evenkeel", "the review is drafted:")
	lines := strings.Split(r.Markdown, "\n")
	for _, l := range lines[:min(16, len(lines))] {
		fmt.Fprintf(t.out, "          | %s\n", l)
	}
	fmt.Fprintf(t.out, "          | … %d more lines\n", max(0, len(lines)-16))
	return nil
}
