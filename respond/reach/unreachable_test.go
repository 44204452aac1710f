package reach

import (
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/respond"
)

// TestUnreachable: who may be paged and has no way that takes a page is a finding of
// the team that answers for it, until there is one; so is whose last page failed.
func TestUnreachable(t *testing.T) {
	url, _ := receiver(t, "", 404) // a plain refusal: not tried again
	o := newOffice(t, person("alice", "webhook:"+url), person("bob"), person("carol"), person("dave"))
	now := time.Now()
	o.ws.Teams = []*declare.Team{{ID: "platform", Members: []declare.PersonID{"carol"}}}
	o.ws.Schedules = []*declare.Schedule{{Name: "shop", Team: "shop", Layers: []declare.Layer{{Start: now.Add(-time.Hour), Every: declare.Daily, People: []declare.PersonID{"alice", "bob"}}}}}
	o.ws.Escalations = []*declare.Escalation{{Name: "shop", Team: "shop", Steps: []declare.EscalationStep{
		{Notify: []declare.Target{{Kind: declare.TargetSchedule, Name: "shop"}}}, {Notify: []declare.Target{{Kind: declare.TargetTeam, Name: "platform"}}},
	}}}
	var open []detect.Finding
	look := func(want map[string]string) {
		t.Helper()
		got, err := o.book.Unreachable(t.Context(), open, now)
		if err != nil {
			t.Fatal(err)
		}
		open = nil
		for _, f := range got {
			if f.Open() {
				open = append(open, f)
				if team, ok := want[f.Labels["person"]]; !ok || string(f.Team) != team || f.Severity != detect.Ticket {
					t.Errorf("got %+v", f)
				}
			} else if _, ok := want[f.Labels["person"]]; ok {
				t.Errorf("resolved: %+v", f)
			}
		}
		if len(open) != len(want) {
			t.Errorf("got %d open of %+v, want %v", len(open), got, want)
		}
	}
	look(map[string]string{"bob": "shop", "carol": "platform"}) // dave is paged by nobody
	o.exec(`INSERT INTO contact_methods (person, kind, address, severities, position, code_hash, code_ms, verified_ms, created_ms) VALUES
		('bob', 'webhook', 'http://127.0.0.1:1/', '["ticket"]', 0, '', 0, 1, 1), ('carol', 'webhook', 'http://127.0.0.1:1/', '[]', 0, '', 0, 1, 1)`)
	look(map[string]string{"bob": "shop"}) // his takes no page
	o.send(respond.Notice{Key: "k", Person: "alice", Purpose: respond.PurposePage, Title: "x", Why: "x", Incident: 1})
	o.until("alice", respond.DeliveryFailed)
	look(map[string]string{"alice": "shop", "bob": "shop"})
	o.exec(`UPDATE deliveries SET state = 'delivered'`)
	look(map[string]string{"bob": "shop"})
}
