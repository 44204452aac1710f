package incident

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

const (
	candidates = 300 // incidents that are looked at, the newest
	mostAlike  = 5   // of each kind
	likeEnough = 0.3
	nearby     = time.Hour // before an incident began, another one still counts as at the same time
)

// traits are what likeness is judged by.
type traits struct {
	respond.Incident
	alerts, labels, words map[string]bool
}

// Alike implements respond.Desk: what goes on at the same time and hangs together with
// it, and what was like it before.
func (b *Book) Alike(ctx context.Context, n respond.Number) ([]respond.Likeness, error) {
	this, err := b.Get(ctx, n)
	if err != nil {
		return nil, err
	}
	all, err := list(ctx, b.o.DB.Read(), `status != 'merged' AND number != ? ORDER BY number DESC LIMIT ?`, n, candidates)
	if err != nil {
		return nil, err
	}
	known, err := b.traits(ctx, append(all, this))
	if err != nil {
		return nil, err
	}
	out := alike(known[len(all)], known[:len(all)], b.o.Distances)
	for k := range out {
		if out[k].Ended, err = b.ending(ctx, out[k].Number); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ending is how an incident was resolved, in the words of who did.
func (b *Book) ending(ctx context.Context, n respond.Number) (text string, err error) {
	err = b.o.DB.Read().QueryRowContext(ctx, `SELECT text FROM facts WHERE id = (SELECT max(f.id) FROM fact_refs r JOIN facts f ON f.id = r.fact_id WHERE r.ref = ? AND f.kind = 'incident.resolved' AND f.subject = ?)`, n.Ref(), n.Ref()).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return text, err
}

func (b *Book) traits(ctx context.Context, all []respond.Incident) ([]traits, error) {
	out := make([]traits, len(all))
	at := map[respond.Number]int{}
	args := make([]any, len(all))
	for k, i := range all {
		out[k] = traits{i, map[string]bool{}, map[string]bool{}, words(i.Title)}
		at[i.Number], args[k] = k, i.Number
	}
	// One finding of each alert of each incident: a storm has thousands of the same.
	//nolint:gosec // only question marks are joined
	rows, err := b.o.DB.Read().QueryContext(ctx, `SELECT incident, name, summary, labels FROM findings WHERE id IN (SELECT min(id) FROM findings WHERE incident IN (?`+
		strings.Repeat(",?", len(args)-1)+`) GROUP BY incident, name)`, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read findings: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var n respond.Number
		var name, summary, text string
		if err := rows.Scan(&n, &name, &summary, &text); err != nil {
			return nil, fmt.Errorf("cannot read findings: %w", err)
		}
		t := out[at[n]]
		t.alerts[name] = true
		for w := range words(summary) {
			t.words[w] = true
		}
		var labels map[string]string
		if err := json.Unmarshal([]byte(text), &labels); err != nil {
			return nil, fmt.Errorf("cannot read findings: %w", err)
		}
		for k, v := range labels {
			if k != "alertname" && k != "severity" && k != "service" && k != "team" {
				t.labels[k+"="+v] = true
			}
		}
	}
	return out, rows.Err()
}

// words are the words of a text that may tell it from another.
func words(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(w) > 2 {
			out[w] = true
		}
	}
	return out
}

// alike ranks others by what they share with one. Words that many share count little.
func alike(this traits, others []traits, distances func(declare.ServiceID) map[declare.ResourceID]int) []respond.Likeness {
	rare := map[string]float64{}
	for _, o := range others {
		for w := range o.words {
			rare[w]++
		}
	}
	for w, n := range rare {
		rare[w] = math.Log(1 + float64(len(others))/n)
	}
	var related, similar []respond.Likeness
	for _, o := range others {
		l := respond.Likeness{Number: o.Number, Title: o.Title, Status: o.Status, At: o.Clocks.Detected}
		if sameTime(this.Incident, o.Incident) {
			if l.Score, l.Reasons = relatedness(this, o, distances); l.Score >= likeEnough {
				l.Kind = "related"
				related = append(related, l)
			}
			continue
		}
		if !o.Ended() || !o.Clocks.Detected.Before(this.Clocks.Detected) {
			continue
		}
		if l.Score, l.Reasons = similarity(this, o, rare); l.Score >= likeEnough {
			l.Kind = "similar"
			similar = append(similar, l)
		}
	}
	best := func(all []respond.Likeness) []respond.Likeness {
		slices.SortStableFunc(all, func(a, b respond.Likeness) int {
			return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(b.Number, a.Number))
		})
		return all[:min(len(all), mostAlike)]
	}
	return append(best(related), best(similar)...)
}

// sameTime says whether two incidents went on together, or one began soon after the
// other had ended.
func sameTime(a, b respond.Incident) bool {
	began := func(i respond.Incident) time.Time {
		if !i.Clocks.Impact.IsZero() && i.Clocks.Impact.Before(i.Clocks.Detected) {
			return i.Clocks.Impact
		}
		return i.Clocks.Detected
	}
	before := func(x, y respond.Incident) bool { // x had ended long before y began
		end := x.Clocks.Mitigated
		if end.IsZero() {
			end = x.Clocks.Resolved
		}
		return !end.IsZero() && end.Before(began(y).Add(-nearby))
	}
	return !before(a, b) && !before(b, a)
}

func relatedness(a, b traits, distances func(declare.ServiceID) map[declare.ResourceID]int) (score float64, reasons []string) {
	nearest, from, to := math.MaxInt, declare.ServiceID(""), declare.ServiceID("")
	for _, s := range a.Services {
		for _, o := range b.Services {
			far := math.MaxInt
			if s == o {
				far = 0
			} else {
				if d, ok := distances(s)[component(o)]; ok {
					far = d
				}
				if d, ok := distances(o)[component(s)]; ok {
					far = min(far, d)
				}
			}
			if far < nearest {
				nearest, from, to = far, s, o
			}
		}
	}
	switch {
	case nearest == 0:
		score, reasons = 0.75, append(reasons, "it is on "+string(from)+" too")
	case nearest < 6:
		score, reasons = 0.75*math.Pow(0.8, float64(nearest)), append(reasons, fmt.Sprintf("%s is %s from %s along the dependencies", to, steps(nearest), from))
	}
	if shared := shared(a.alerts, b.alerts); len(shared) > 0 {
		score, reasons = score+0.3, append(reasons, "the same alert: "+strings.Join(shared, ", "))
	}
	if len(a.Suspects) > 0 && len(b.Suspects) > 0 && a.Suspects[0].Change != "" && a.Suspects[0].Change == b.Suspects[0].Change {
		score, reasons = score+0.5, append(reasons, "the same first suspect: "+a.Suspects[0].Summary)
	}
	if len(reasons) > 0 {
		reasons = append(reasons, "at the same time")
	}
	return min(score, 1), reasons
}

func steps(n int) string {
	if n == 1 {
		return "one step"
	}
	return fmt.Sprintf("%d steps", n)
}

func similarity(a, b traits, rare map[string]float64) (score float64, reasons []string) {
	both := slices.DeleteFunc(slices.Clone(a.Services), func(s declare.ServiceID) bool { return !slices.Contains(b.Services, s) })
	switch {
	case len(both) > 0 && a.Service == b.Service:
		score, reasons = 0.4, append(reasons, "the same service: "+string(a.Service))
	case len(both) > 0:
		score, reasons = 0.25, append(reasons, "also on "+string(both[0]))
	}
	if s := shared(a.alerts, b.alerts); len(s) > 0 {
		score, reasons = score+0.35*jaccard(a.alerts, b.alerts), append(reasons, "the same alert: "+strings.Join(s, ", "))
	}
	if s := shared(a.labels, b.labels); len(s) > 0 {
		score, reasons = score+0.1*jaccard(a.labels, b.labels), append(reasons, "the same labels: "+strings.Join(s, ", "))
	}
	var in, of float64
	var said []string
	for w := range a.words {
		of += rare[w]
		if b.words[w] {
			in += rare[w]
			said = append(said, w)
		}
	}
	if of > 0 && in/of > 0.2 {
		slices.SortFunc(said, func(x, y string) int { return cmp.Or(cmp.Compare(rare[y], rare[x]), strings.Compare(x, y)) })
		score, reasons = score+0.15*in/of, append(reasons, "in the same words: "+strings.Join(said[:min(3, len(said))], ", "))
	}
	return min(score, 1), reasons
}

// shared are the first three that both have.
func shared(a, b map[string]bool) (out []string) {
	for k := range a {
		if b[k] {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out[:min(3, len(out))]
}

func jaccard(a, b map[string]bool) float64 {
	in := 0
	for k := range a {
		if b[k] {
			in++
		}
	}
	return float64(in) / float64(len(a)+len(b)-in)
}
