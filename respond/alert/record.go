package alert

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// quiet is for how long further failures of the same delivery are only counted: the
// retries of one flush are one failure to the reader of a timeline.
const quiet = time.Minute

// failures remembers when a failed delivery was last written down.
type failures struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (f *failures) first(key string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil || len(f.at) > 10_000 {
		f.at = map[string]time.Time{}
	}
	if last, ok := f.at[key]; ok && now.Sub(last) < quiet {
		return false
	}
	f.at[key] = now
	return true
}

func (f *failures) clear(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.at, key)
}

// recorded wraps an integration so that every delivery is on record.
func (p *Pipeline) recorded(in notify.Integration, receiver string) notify.Integration {
	return notify.NewIntegration(&recorder{p: p, inner: &in, receiver: receiver}, &in, in.Name(), in.Index(), receiver)
}

type recorder struct {
	p        *Pipeline
	inner    *notify.Integration
	receiver string
}

// Notify implements notify.Notifier.
func (r *recorder) Notify(ctx context.Context, alerts ...*amalert.Alert) (retry bool, err error) {
	if to := r.receiver + "\xff" + r.inner.String(); r.p.storms.hold(ctx, time.Now(), to, alerts) {
		r.p.sent.WithLabelValues(r.inner.Name(), "held").Inc()
		return false, nil
	}
	retry, err = r.inner.Notify(ctx, alerts...)
	group, _ := notify.GroupKey(ctx)
	key := r.receiver + "\xff" + r.inner.String() + "\xff" + group
	now := time.Now()
	if err != nil {
		r.p.sent.WithLabelValues(r.inner.Name(), "failed").Inc()
		if r.p.failures.first(key, now) {
			r.record(ctx, now, alerts, "failed", clean(err.Error()))
		}
		return retry, err
	}
	r.p.sent.WithLabelValues(r.inner.Name(), "sent").Inc()
	r.p.failures.clear(key)
	r.record(ctx, now, alerts, "sent", "")
	return retry, nil
}

// record writes one row an incident, and its fact. A failure to write it is logged:
// the message has been sent, and sending it again would not mend the record.
func (r *recorder) record(ctx context.Context, now time.Time, alerts []*amalert.Alert, status, detail string) {
	byIncident := map[int64][]int64{}
	names := map[int64][]string{}
	for _, a := range alerts {
		incident, _ := strconv.ParseInt(string(a.Annotations["incident"]), 10, 64)
		finding, _ := strconv.ParseInt(string(a.Annotations["finding"]), 10, 64)
		byIncident[incident] = append(byIncident[incident], finding)
		what := a.Name()
		if a.ResolvedAt(now) {
			what += " (resolved)"
		}
		names[incident] = append(names[incident], what)
	}
	// The delivery's own context ends with its flush.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	err := r.p.records.write(ctx, func(tx *state.Tx) error {
		for incident, findings := range byIncident {
			list, err := json.Marshal(findings)
			if err != nil {
				return err
			}
			res, err := tx.ExecContext(ctx, `INSERT INTO notifications (at_ms, receiver, integration, incident, findings, status, detail) VALUES (?,?,?,?,?,?,?)`,
				state.Millis(now), r.receiver, r.inner.Name(), incident, string(list), status, detail)
			if err != nil {
				return err
			}
			id, err := res.LastInsertId()
			if err != nil {
				return err
			}
			if status == "sent" {
				for _, f := range findings {
					if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO notified (finding, notification) VALUES (?,?)`, f, id); err != nil {
						return err
					}
				}
			}
			fact := journal.Fact{
				At: now, Kind: journal.Kind("notification." + status), Actor: journal.System("respond"),
				Subject: journal.MakeRef("notification", fmt.Sprint(id)),
				Text:    fmt.Sprintf("%s by %s to %s: %s", status, r.inner.Name(), r.receiver, nameThem(names[incident])),
			}
			if detail != "" {
				fact.Text += ": " + detail
			}
			if fact.Cause, err = cause(ctx, tx, incident, findings[0]); err != nil {
				return err
			}
			if incident != 0 {
				fact.Refs = append(fact.Refs, journal.MakeRef("incident", fmt.Sprint(incident)))
			}
			for _, f := range findings[:min(len(findings), maxRefs)] {
				fact.Refs = append(fact.Refs, journal.MakeRef("finding", fmt.Sprint(f)))
			}
			if _, err := tx.Record(fact); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		r.p.o.Logger.Error("cannot record a notification", "receiver", r.receiver, "status", status, "err", err)
	}
}

// maxRefs is how many findings a fact names; a storm's message tells of thousands, and
// its row in the table has them all.
const maxRefs = 50

// nameThem lists what a message told of: each name once, with how often.
func nameThem(names []string) string {
	count := map[string]int{}
	var order []string
	for _, n := range names {
		if count[n]++; count[n] == 1 {
			order = append(order, n)
		}
	}
	for i, n := range order {
		if count[n] > 1 {
			order[i] = fmt.Sprintf("%s (%d)", n, count[n])
		}
	}
	if len(order) > 10 {
		order = append(order[:10], fmt.Sprintf("and %d more", len(order)-10))
	}
	return strings.Join(order, ", ")
}

// cause of a delivery is its incident, or where there is none its finding. One that is
// not stored is no reason to lose the record.
func cause(ctx context.Context, tx *state.Tx, incident, finding int64) (id journal.ID, err error) {
	if incident != 0 {
		err = tx.QueryRowContext(ctx, `SELECT fact FROM incidents WHERE number = ?`, incident).Scan(&id)
	} else {
		err = tx.QueryRowContext(ctx, `SELECT fact FROM findings WHERE id = ?`, finding).Scan(&id)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

var urls = regexp.MustCompile(`https?://[^\s"]+`)

// clean takes URLs out of an error: a webhook's URL is its secret.
func clean(text string) string {
	text = urls.ReplaceAllString(text, "<url>")
	if len(text) > 500 {
		text = text[:500] + "…"
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
