package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/learn"
	"github.com/evenkeel/evenkeel/respond"
)

// pager is where notifications arrive: an HTTP endpoint that a phone reads.
type pager struct {
	*httptest.Server
	messages chan pagerMessage
}

type pagerMessage struct {
	at     time.Time
	Status string `json:"status"`
	Alerts []struct {
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"alerts"`
}

func newPager(t *testing.T) *pager {
	t.Helper()
	p := &pager{messages: make(chan pagerMessage, 1000)}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := pagerMessage{at: time.Now()}
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		select {
		case p.messages <- m:
		default:
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// next waits for a message.
func (p *pager) next(t *testing.T, status string) pagerMessage {
	t.Helper()
	for end := time.After(browserWait); ; {
		select {
		case m := <-p.messages:
			if m.Status == status {
				return m
			}
		case <-end:
			t.Fatalf("no message says %s", status)
		}
	}
}

// feed keeps a gauge at what it is set to, until the test ends.
func (p *process) feed(name string) *atomic.Int64 {
	value := &atomic.Int64{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case at := <-tick.C:
				_ = p.write(at, map[string]float64{name: float64(value.Load())}) // again in a moment
			}
		}
	}()
	p.t.Cleanup(func() { cancel(); <-done })
	return value
}

// TestBrowserPageToReview takes an incident from the page to its review on a phone:
// the link of the message, acknowledge, say how bad it is and who leads, tell those
// outside, run the runbook, see it recover, resolve, draft and publish the review.
func TestBrowserPageToReview(t *testing.T) {
	p := newProcess(t)
	phone := newPager(t)
	p.declare(map[string]string{
		"evenkeel.yml": killWorkspace["evenkeel.yml"] + "status_pages: [{system: line, title: The line, public: true}]\n",
		"catalog/all.yml": strings.Replace(killWorkspace["catalog/all.yml"], "lifecycle: production, owner: ops}", "lifecycle: production, owner: ops, system: line}", 1) +
			"---\napiVersion: backstage.io/v1alpha1\nkind: System\nmetadata: {name: line}\nspec: {owner: ops}\n",
		"routing.yml": fmt.Sprintf("route: {receiver: phone, group_wait: 0s, group_interval: 1s}\nreceivers:\n  - name: phone\n    webhook_configs: [{url: %q}]\n", phone.URL),
	})
	p.accounts("carol")
	p.start()
	depth := p.feed("queue_depth")
	browser, base := chromium(t), "http://"+p.addr

	depth.Store(500)
	link := phone.next(t, "firing").Alerts[0].Annotations["incident_url"]
	if link != base+"/incidents/1" {
		t.Fatalf("the message links to %q", link)
	}
	v := visit(t, browser, base).phone()
	v.open(link)
	v.fill(`input[name=person]`, "carol")
	v.fill(`input[name=password]`, testPassword)
	v.press("Sign in")
	if at := v.path(); at != "/incidents/1" {
		t.Fatalf("after the sign-in carol is at %s", at)
	}
	v.sees("#1 queue: QueueStuck on queue", "nobody has it")
	v.fits()
	v.picture("incident-page-phone")

	v.press("Acknowledge")
	v.sees("Acknowledged. The escalation stops here.", "assigned to you")
	v.choose(`select[name=sev]`, "sev2")
	v.click(`#roles form[action$="severity"] button`)
	v.sees("Severity set.")
	v.choose(`#role-commander`, "carol")
	v.click(`#roles form[action$="role"] button`)
	v.sees("Role given.")
	v.fill(`input[name=text]#task`, "call the provider")
	v.click(`#tasks form.row button`)
	v.sees("Task added.", "call the provider")
	v.click(`#tasks .todo button`)
	v.sees("Task done.")
	v.unfold("Tell something")
	v.press("identified")
	v.sees("What is told: identified")
	v.tick(`#updates input[name=public]`)
	v.click(`#updates form button`)
	v.sees("Told.", "We have found what troubles queue")
	v.fits()

	guest := visit(t, browser, base).phone()
	guest.open("/status/line")
	guest.sees("The line", "partly down", "Trouble with queue", "We have found what troubles queue")
	guest.fits()
	guest.picture("status-page-phone")

	v.press("Start it for #1")
	v.click(`form#start button, #start form button, main form button.primary`)
	v.until("the run's page", func() bool { return strings.HasPrefix(v.path(), "/runs/") })
	depth.Store(1)
	v.sees("three", "done")
	v.fits()
	v.picture("incident-run-phone")

	v.open("/incidents/1")
	v.sees("mitigated")
	v.press("Resolve")
	v.sees("Resolved. A review can be drafted now.")
	guest.open("/status/line")
	guest.sees("works")
	v.click(`#outcome button[value=action]`)
	v.sees("Thank you: it is on record.")
	v.press("Draft the review")
	v.press("Draft it from the journal")
	v.sees("Review drafted from the journal.", "Timeline")
	v.fits()
	v.picture("incident-review-phone")
	v.press("Edit")
	text, err := eval[string](v, `document.querySelector("#markdown").value`)
	if err != nil || !strings.Contains(text, "QueueStuck") {
		t.Fatalf("the draft: %q %v", text, err)
	}
	v.press("Save and publish")
	v.sees("Review published.")

	var i respond.Incident
	if err := p.call(http.MethodGet, "incidents/1", nil, &i); err != nil || i.Status != respond.Resolved || i.Sev != respond.Sev2 || i.Roles[respond.Commander] != "carol" {
		t.Errorf("%+v %v", i, err)
	}
	for _, point := range respond.Points {
		if i.Clocks.At(point).IsZero() || i.Clocks.Sources[point] == "" {
			t.Errorf("%s: %s from %q", point, i.Clocks.At(point), i.Clocks.Sources[point])
		}
	}
	var o respond.Outcome
	if err := p.call(http.MethodGet, "findings/1/outcome", nil, &o); err != nil || o.Outcome != respond.ActionTaken || o.Inferred || o.By.Name() != "carol" {
		t.Errorf("%+v %v", o, err)
	}
	var review learn.Review
	if err := p.call(http.MethodGet, "incidents/1/review", nil, &review); err != nil || review.Status != "published" {
		t.Errorf("%+v %v", review, err)
	}
}

// TestBrowserOutcomeFromMessage: whoever reads the message says with one tap what became of
// the alert, on a phone and without a sign-in; once.
func TestBrowserOutcomeFromMessage(t *testing.T) {
	p := newProcess(t)
	phone := newPager(t)
	p.declare(map[string]string{
		"routing.yml": fmt.Sprintf("route: {receiver: phone, group_wait: 0s, group_interval: 1s}\nreceivers:\n  - name: phone\n    webhook_configs: [{url: %q}]\n", phone.URL),
	})
	p.start()
	depth := p.feed("queue_depth")
	browser, base := chromium(t), "http://"+p.addr
	depth.Store(500)
	link := phone.next(t, "firing").Alerts[0].Annotations["outcome_url"]
	if !strings.HasPrefix(link, base+"/outcome/") {
		t.Fatalf("the message links to %q", link)
	}
	v := visit(t, browser, base).phone()
	v.open(link)
	v.sees("What became of QueueStuck?", "no action needed", "The link works once")
	v.fits()
	v.picture("outcome-link-phone")
	var o respond.Outcome
	if err := p.call(http.MethodGet, "findings/1/outcome", nil, &o); err == nil {
		t.Errorf("looking has said %+v", o)
	}
	v.press("no action needed")
	v.sees("Thank you: no action needed is on record.")
	if err := p.call(http.MethodGet, "findings/1/outcome", nil, &o); err != nil || o.Outcome != respond.NoActionNeeded || o.Inferred || o.By != "link:a reader of the message" {
		t.Errorf("on record: %+v, %v", o, err)
	}
	v.open(link)
	v.sees("This link was used already: no action needed.")
	// Who is known corrects it.
	if err := p.call(http.MethodPut, "findings/1/outcome", map[string]string{"outcome": "false"}, &o); err != nil || o.By != "person:carol" {
		t.Errorf("corrected: %+v, %v", o, err)
	}
}
