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

// delivery is what became of a message.
type delivery struct {
	j                     *job // nil where no group waits for it
	receiver, integration string
	at                    time.Time
	status, detail        string // "" for nothing to record but that the group was seen to
	told                  []*amalert.Alert
}

// row is what of a delivery belongs to one incident.
type row struct {
	*delivery
	incident int64
	findings []int64
	names    []string
	first    *amalert.Alert
	id       int64
}

func (x *delivery) rows() (out []*row) {
	for _, a := range x.told {
		incident, _ := strconv.ParseInt(string(a.Annotations["incident"]), 10, 64)
		finding, _ := strconv.ParseInt(string(a.Annotations["finding"]), 10, 64)
		var r *row
		for _, have := range out {
			if have.incident == incident {
				r = have
			}
		}
		if r == nil {
			r = &row{delivery: x, incident: incident, first: a}
			out = append(out, r)
		}
		r.findings = append(r.findings, finding)
		what := a.Name()
		if a.ResolvedAt(x.at) {
			what += " (resolved)"
		}
		r.names = append(r.names, what)
	}
	return out
}

// eachMessage is how many messages of one kind that are recorded together get a line of
// their own in the timeline; of more there is one line that counts them.
const eachMessage = 20

// record writes a row for each incident of each delivery, and the facts.
func (p *Pipeline) record(all []delivery) error {
	if err := p.log.sync(); err != nil {
		p.o.Logger.Error("cannot keep what was told", "err", err)
	}
	ctx := context.Background()
	type kind struct {
		receiver, integration, status, detail string
		incident                              int64
	}
	var order []kind
	byKind := map[kind][]*row{}
	for i := range all {
		if all[i].status == "" {
			continue
		}
		for _, r := range all[i].rows() {
			k := kind{r.receiver, r.integration, r.status, r.detail, r.incident}
			if byKind[k] == nil {
				order = append(order, k)
			}
			byKind[k] = append(byKind[k], r)
		}
	}
	if len(order) == 0 {
		return nil
	}
	causes := map[int64]journal.ID{} // of incidents
	return p.o.DB.Update(ctx, func(tx *state.Tx) error {
		for _, k := range order {
			rows := byKind[k]
			for _, r := range rows {
				if err := r.insert(ctx, tx); err != nil {
					return err
				}
			}
			together := 1
			if len(rows) > eachMessage {
				together = len(rows)
			}
			for from := 0; from < len(rows); from += together {
				if err := p.recordSent(ctx, tx, rows[from:from+together], causes); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (r *row) insert(ctx context.Context, tx *state.Tx) error {
	list, err := json.Marshal(r.findings)
	if err != nil {
		return err
	}
	res, err := tx.ExecContext(ctx, `INSERT INTO notifications (at_ms, receiver, integration, incident, findings, status, detail) VALUES (?,?,?,?,?,?,?)`,
		state.Millis(r.at), r.receiver, r.integration, r.incident, string(list), r.status, r.detail)
	if err != nil {
		return err
	}
	if r.id, err = res.LastInsertId(); err != nil || r.status != "sent" {
		return err
	}
	for _, f := range r.findings {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO notified (finding, notification) VALUES (?,?)`, f, r.id); err != nil {
			return err
		}
	}
	return nil
}

// recordSent writes one fact about messages of one kind and incident.
func (p *Pipeline) recordSent(ctx context.Context, tx *state.Tx, rows []*row, causes map[int64]journal.ID) error {
	r := rows[0]
	names, findings := r.names, r.findings
	for _, more := range rows[1:] {
		names, findings = append(names, more.names...), append(findings, more.findings...)
	}
	text := fmt.Sprintf("%s by %s to %s: ", r.status, r.integration, r.receiver)
	if len(rows) > 1 {
		text += fmt.Sprintf("%d messages: ", len(rows))
	}
	fact := journal.Fact{
		At: r.at, Kind: journal.Kind("notification." + r.status), Actor: journal.System("respond"),
		Subject: journal.MakeRef("notification", strconv.FormatInt(r.id, 10)), Text: text + nameThem(names),
	}
	if r.detail != "" {
		fact.Text += ": " + r.detail
	}
	var err error
	if fact.Cause, err = p.cause(ctx, tx, r, causes); err != nil {
		return err
	}
	if r.incident != 0 {
		fact.Refs = append(fact.Refs, journal.MakeRef("incident", strconv.FormatInt(r.incident, 10)))
	}
	for _, f := range findings[:min(len(findings), maxRefs)] {
		fact.Refs = append(fact.Refs, journal.MakeRef("finding", strconv.FormatInt(f, 10)))
	}
	_, err = tx.Record(fact)
	return err
}

// recorded is called once a delivery is recorded, or cannot be. A record that is missing is
// logged: the message has been sent, and sending it again would not mend it.
func (p *Pipeline) recorded(x delivery, err error) {
	if err != nil {
		p.o.Logger.Error("cannot record a notification", "receiver", x.receiver, "status", x.status, "err", err)
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
func (p *Pipeline) cause(ctx context.Context, tx *state.Tx, r *row, incidents map[int64]journal.ID) (id journal.ID, err error) {
	if r.incident == 0 {
		return p.alerts.factOf(r.first.Fingerprint()), nil
	}
	if id, known := incidents[r.incident]; known {
		return id, nil
	}
	err = tx.QueryRowContext(ctx, `SELECT fact FROM incidents WHERE number = ?`, r.incident).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	incidents[r.incident] = id
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
