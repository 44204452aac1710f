package shop

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// inboxSize is how many notifications the phone keeps.
const inboxSize = 100

// inbox is the phone of whoever is on call: it takes the webhooks that Evenkeel
// sends (Alertmanager's format, of the routing; and notices to one person, of an
// escalation) and shows them.
type inbox struct {
	mu       sync.Mutex
	messages []Message // the newest last
}

// Message is one notification.
type Message struct {
	At     time.Time      `json:"at"`
	Status string         `json:"status"` // firing, resolved
	Alerts []MessageAlert `json:"alerts"`
	Notice *Notice        `json:"notice,omitempty"`
}

// Notice is what one person is told; to acknowledge they open the link.
type Notice struct {
	To          string `json:"to"`
	Title       string `json:"title"`
	Text        string `json:"text"`
	URL         string `json:"url"`
	Acknowledge string `json:"acknowledge_url"`
}

// MessageAlert is one alert in it.
type MessageAlert struct {
	Status      string            `json:"status"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
}

func (i *inbox) receive(w http.ResponseWriter, r *http.Request) {
	var got struct {
		Message
		Type string `json:"type"`
		Data Notice `json:"data"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&got); err != nil {
		fail(w, &RequestError{http.StatusBadRequest, "malformed", "cannot read notification: " + err.Error(), "expected an Alertmanager webhook"})
		return
	}
	m := got.Message
	m.At, m.Notice = time.Now().UTC(), nil
	if got.Type == "notice" {
		m.Notice = &got.Data
		m.Notice.To = r.URL.Query().Get("to")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.messages = append(i.messages, m)
	if over := len(i.messages) - inboxSize; over > 0 {
		i.messages = slices.Delete(i.messages, 0, over)
	}
	w.WriteHeader(http.StatusNoContent)
}

// newest returns the messages, the newest first.
func (i *inbox) newest() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := slices.Clone(i.messages)
	slices.Reverse(out)
	return out
}

func (i *inbox) list(w http.ResponseWriter, _ *http.Request) {
	out := i.newest()
	if out == nil {
		out = []Message{}
	}
	reply(w, http.StatusOK, out)
}
