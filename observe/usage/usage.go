// Package usage keeps what telemetry costs and whether anybody looks at it: per signal,
// service and receiver the volume over time, the senders, and when it was last queried
// or alerted on.
//
// In: every batch that was stored, every query that was asked. Out: a report, and
// findings on services whose telemetry has stopped, is expected and missing, or is never
// used. Promise: memory is bounded; a restart loses at most five minutes of counts.
package usage

import (
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// The signals.
const (
	Logs    = "logs"
	Metrics = "metrics"
	Traces  = "traces"
)

const (
	keepHours  = 24 * 31
	maxKeys    = 20_000
	maxSenders = 1000
	// unused is after how long telemetry that nobody asked for is told.
	unused = 30 * 24 * time.Hour
	// A service that sends more than heavyShare of a signal's bytes is told of it, where
	// there are several and it is more than heavyBytes in a day.
	heavyShare, heavyBytes, heavyAmong = 0.5, 1 << 30, 3
)

// Key is whose telemetry it is.
type Key struct {
	Signal   string `json:"signal"`
	Service  string `json:"service"`
	Receiver string `json:"receiver"`
}

// hour is the volume of one.
type hour struct {
	At    int64  `json:"t"` // Unix hours
	Rows  uint64 `json:"rows"`
	Bytes uint64 `json:"bytes"`
}

type account struct {
	Key
	First   time.Time            `json:"first"`
	Last    time.Time            `json:"last"`
	Hours   []hour               `json:"hours"`
	Senders map[string]time.Time `json:"senders,omitempty"`
}

// Ledger keeps the accounts.
type Ledger struct {
	mu       sync.Mutex
	accounts map[Key]*account
	used     map[string]time.Time // signal and service; "*" for all
	metrics  map[string]*metric   // by name
	nameless map[Source]*unnamed
	since    time.Time // when it began to watch
}

// NewLedger makes an empty ledger.
func NewLedger(now time.Time) *Ledger {
	return &Ledger{accounts: map[Key]*account{}, used: map[string]time.Time{}, metrics: map[string]*metric{}, nameless: map[Source]*unnamed{}, since: now}
}

// Took counts what was stored of a sender.
func (l *Ledger) Took(k Key, sender string, rows, bytes int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[k]
	if a == nil {
		if len(l.accounts) >= maxKeys {
			k.Service = "(other)"
		}
		if a = l.accounts[k]; a == nil {
			k.Service, k.Receiver = strings.Clone(k.Service), strings.Clone(k.Receiver)
			a = &account{Key: k, First: now, Senders: map[string]time.Time{}}
			l.accounts[k] = a
		}
	}
	a.Last = now
	if _, known := a.Senders[sender]; sender != "" && (known || len(a.Senders) < maxSenders) {
		a.Senders[sender] = now
	}
	at := now.Unix() / 3600
	if n := len(a.Hours); n == 0 || a.Hours[n-1].At != at {
		a.Hours = append(a.Hours, hour{At: at})
		if over := len(a.Hours) - keepHours; over > 0 {
			a.Hours = slices.Delete(a.Hours, 0, over)
		}
	}
	h := &a.Hours[len(a.Hours)-1]
	h.Rows += uint64(rows)
	h.Bytes += uint64(bytes)
}

// Used says that somebody, or a rule, asked for telemetry: the text of a query names
// the services; a query that names none asked for all.
func (l *Ledger) Used(signal, text string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	named := false
	for k := range l.accounts {
		if k.Signal == signal && k.Service != "" && names(text, k.Service) {
			l.used[signal+"/"+k.Service] = now
			named = true
		}
	}
	if !named {
		l.used[signal+"/*"] = now
	}
}

// names says whether a text has a word: what stands beside it is no letter, digit,
// underscore or hyphen, as in "shop" beside "workshop" and "shop-web".
func names(text, word string) bool {
	part := func(r rune) bool { return r == '_' || r == '-' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		i += at
		before, _ := utf8.DecodeLastRuneInString(text[:i])
		after, _ := utf8.DecodeRuneInString(text[i+len(word):])
		if (i == 0 || !part(before)) && (i+len(word) == len(text) || !part(after)) {
			return true
		}
		at = i + 1
	}
}

// Item is one line of the report.
type Item struct {
	Key
	Senders  int       `json:"senders"`
	Rows     uint64    `json:"rows"`
	Bytes    uint64    `json:"bytes"`
	Share    float64   `json:"share"` // of the signal's bytes; of metrics, of its series
	First    time.Time `json:"first_seen"`
	Last     time.Time `json:"last_seen"`
	LastUsed time.Time `json:"last_used,omitzero"` // by a query or a rule that names it
	State    string    `json:"state"`              // flowing or stopped
	Unused   bool      `json:"unused"`             // nobody named it for 30 days
}

// The states.
const (
	Flowing = "flowing"
	Stopped = "stopped"
)

// Report is the volume between two times, largest first.
func (l *Ledger) Report(from, to, now time.Time) []Item {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Item{}
	total, rows := map[string]uint64{}, map[string]uint64{}
	a, b := from.Unix()/3600, to.Unix()/3600
	for k, acc := range l.accounts {
		it := Item{Key: k, Senders: len(acc.Senders), First: acc.First, Last: acc.Last, State: Flowing, LastUsed: l.used[k.Signal+"/"+k.Service]}
		for _, h := range acc.Hours {
			if h.At >= a && h.At <= b {
				it.Rows += h.Rows
				it.Bytes += h.Bytes
			}
		}
		if acc.stopped(now) {
			it.State = Stopped
		}
		it.Unused = l.unused(acc, now)
		total[k.Signal] += it.Bytes
		rows[k.Signal] += it.Rows
		out = append(out, it)
	}
	for i := range out {
		if t := total[out[i].Signal]; t > 0 {
			out[i].Share = float64(out[i].Bytes) / float64(t)
		} else if t := rows[out[i].Signal]; t > 0 { // of metrics the series are counted
			out[i].Share = float64(out[i].Rows) / float64(t)
		}
	}
	slices.SortFunc(out, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Signal, b.Signal), cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Receiver, b.Receiver))
	})
	return out
}

// stopped says whether telemetry that came every hour does not come any more: there was
// some in each of at least three of the six hours before, and none for half an hour.
func (a *account) stopped(now time.Time) bool {
	if now.Sub(a.Last) < 30*time.Minute || now.Sub(a.Last) > 7*24*time.Hour {
		return false
	}
	last := a.Last.Unix() / 3600
	n := 0
	for _, h := range a.Hours {
		if h.At > last-6 && h.At <= last && h.Rows > 0 {
			n++
		}
	}
	return n >= 3
}

func (l *Ledger) unused(a *account, now time.Time) bool {
	if a.Signal == Metrics { // a query of a metric names no service: see Named
		return false
	}
	if now.Sub(a.Last) >= 24*time.Hour { // there is nothing to ask for
		return false
	}
	since := l.since
	if a.First.After(since) {
		since = a.First
	}
	if now.Sub(since) < unused {
		return false
	}
	last := l.used[a.Signal+"/"+a.Service]
	return now.Sub(last) >= unused
}

// Gap is telemetry that should be there.
type Gap struct {
	Signal, Service string
	Kind            string // stopped, missing, unused, heavy, wide, nameless
	Since           time.Time
	Why             string
	Source          Source // of kind nameless, with its sender's address
	Sender          string
}

// Gaps are what is wrong now: expects are the signals that each service is declared to
// send. Nothing is missing in the first hour of watching.
func (l *Ledger) Gaps(expects map[string][]string, now time.Time) []Gap {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Gap
	type pair struct{ signal, service string }
	newest := map[pair]*account{}
	for k, a := range l.accounts {
		p := pair{k.Signal, k.Service}
		if newest[p] == nil || a.Last.After(newest[p].Last) {
			newest[p] = a
		}
	}
	for p, a := range newest {
		switch {
		case p.service == "" || p.service == "(other)":
		case a.stopped(now):
			out = append(out, Gap{Signal: p.signal, Service: p.service, Kind: "stopped", Since: a.Last, Why: fmt.Sprintf("%s of %s have stopped: the last came at %s", p.signal, p.service, a.Last.UTC().Format("2006-01-02 15:04 MST"))})
		case l.unused(a, now):
			out = append(out, Gap{Signal: p.signal, Service: p.service, Kind: "unused", Since: a.First, Why: fmt.Sprintf("nobody has asked for the %s of %s, and no rule has, for 30 days", p.signal, p.service)})
		}
	}
	out = append(out, l.heavy(now)...)
	out = append(out, l.unnamed(now)...)
	if now.Sub(l.since) >= time.Hour {
		for service, signals := range expects {
			for _, s := range signals {
				if a := newest[pair{s, service}]; a == nil || now.Sub(a.Last) > 24*time.Hour {
					since := l.since
					if a != nil {
						since = a.Last
					}
					out = append(out, Gap{Signal: s, Service: service, Kind: "missing", Since: since, Why: fmt.Sprintf("%s is declared to send %s, and none have come for a day", service, s)})
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Signal, b.Signal), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Source.Name, b.Source.Name))
	})
	return out
}

// heavy are the services that send most of a signal's bytes.
func (l *Ledger) heavy(now time.Time) []Gap {
	total, by := map[string]uint64{}, map[string]map[string]uint64{}
	since := now.Add(-24*time.Hour).Unix() / 3600
	for k, a := range l.accounts {
		if by[k.Signal] == nil {
			by[k.Signal] = map[string]uint64{}
		}
		for _, h := range a.Hours {
			if h.At > since {
				total[k.Signal] += h.Bytes
				by[k.Signal][k.Service] += h.Bytes
			}
		}
	}
	var out []Gap
	for signal, services := range by {
		if len(services) < heavyAmong {
			continue
		}
		for service, n := range services {
			if service != "" && n >= heavyBytes && float64(n) > heavyShare*float64(total[signal]) {
				out = append(out, Gap{Signal: signal, Service: service, Kind: "heavy", Since: now, Why: fmt.Sprintf("%s sends %.0f %% of all %s: %.3g GiB in a day", service, 100*float64(n)/float64(total[signal]), signal, float64(n)/(1<<30))})
			}
		}
	}
	return out
}

type saved struct {
	Since    time.Time            `json:"since"`
	Accounts []*account           `json:"accounts"`
	Used     map[string]time.Time `json:"used"`
	Metrics  map[string]metric    `json:"metrics,omitempty"`
	Nameless []*unnamed           `json:"nameless,omitempty"`
}

// Save writes the ledger to a file, whole or not at all.
func (l *Ledger) Save(path string) error {
	l.mu.Lock()
	out := saved{Since: l.since, Used: l.used, Metrics: l.metricsOf(), Nameless: l.sources()}
	for _, a := range l.accounts {
		out.Accounts = append(out.Accounts, a)
	}
	data, err := json.Marshal(out)
	l.mu.Unlock()
	if err != nil {
		return fmt.Errorf("cannot save telemetry usage: %w", err)
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot save telemetry usage: %w", err)
	}
	zw := gzip.NewWriter(f)
	_, err = zw.Write(data)
	if err = errors.Join(err, zw.Close(), f.Close()); err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("cannot save telemetry usage: %w", err)
	}
	return nil
}

// Load reads a ledger; a file that is not there is an empty one.
func Load(path string, now time.Time) (*Ledger, error) {
	l := NewLedger(now)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return l, fmt.Errorf("cannot load telemetry usage: %w", err)
	}
	defer f.Close()
	var in saved
	zr, err := gzip.NewReader(f)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(zr, 1<<30)).Decode(&in)
	}
	if err != nil {
		return l, fmt.Errorf("cannot load telemetry usage %q: %w", path, err)
	}
	l.since = in.Since
	for k, v := range in.Used {
		l.used[k] = v
	}
	for _, u := range in.Nameless {
		l.nameless[u.Source] = u
	}
	for n, m := range in.Metrics {
		l.metrics[n] = &m
	}
	for _, a := range in.Accounts {
		if a.Senders == nil {
			a.Senders = map[string]time.Time{}
		}
		l.accounts[a.Key] = a
	}
	return l, nil
}
