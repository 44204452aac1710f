package reach

import (
	"fmt"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// message is what a person reads, whatever brings it.
type message struct {
	ID       string // stays the same over retries; no other message of any server has it
	Title    string
	Text     string
	URL      string // of the incident's page; "" for none
	Ack      string // acknowledges with one press; "" where there is nothing to acknowledge
	Token    string // of Ack
	Severity string
	Incident respond.Number
	At       time.Time
}

func (b *Book) message(j job, now time.Time) message {
	m := message{ID: b.messageID(j.ID), Title: j.Title, Text: j.body, Severity: string(j.Severity), Incident: j.Incident, At: now}
	if j.Incident != 0 {
		m.URL = b.o.URL(fmt.Sprintf("/incidents/%d", j.Incident))
	}
	switch j.Purpose {
	case respond.PurposePage:
		m.Token = b.token(j.ID, now.Add(linkLife))
		m.Ack = b.o.URL("/ack/" + m.Token)
	case respond.PurposeCopy:
		m.Title = "Copy: " + m.Title
		m.Text += "You shadow somebody who was paged: nothing is asked of you.\n"
	}
	return m
}

// messageID names a message to whoever takes it: the same over retries, and no other one
// of this or of another server's data, since a service folds what has one name.
func (b *Book) messageID(delivery int64) string {
	return fmt.Sprintf("msg_%d_%s", delivery, b.key.Sign(fmt.Sprintf("message %d", delivery))[:10])
}

// plain is the message for what shows text alone.
func (m message) plain() string {
	text := m.Text
	if m.URL != "" {
		text += "\n" + m.URL + "\n"
	}
	if m.Ack != "" {
		text += "\nAcknowledge: " + m.Ack + "\n"
	}
	return text
}
