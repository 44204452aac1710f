package usage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Source is who sends rows that say no service: a host where they name one, else the sender's
// address, a file or the journal.
type Source struct {
	Signal   string `json:"signal"`
	Receiver string `json:"receiver"`
	Name     string `json:"name"`
}

// unnamed is what came of one source.
type unnamed struct {
	Source
	Sender string    `json:"sender"` // the last one's address
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Hours  []hour    `json:"hours"` // the last two
}

const (
	maxSources = 1000
	// A source is told of when so many rows without a service came of it in the last hours,
	// and one in the last quietSource.
	leastNameless = 100
	quietSource   = 30 * time.Minute
)

// Nameless says whether a service's name is none: nothing, or what OpenTelemetry's libraries
// put where nobody said it.
func Nameless(service string) bool {
	return service == "" || strings.HasPrefix(service, "unknown_service")
}

// TookNameless counts rows that say no service.
func (l *Ledger) TookNameless(s Source, sender string, rows int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.nameless[s]
	if u == nil {
		if len(l.nameless) >= maxSources {
			for k, o := range l.nameless {
				if now.Sub(o.Last) >= quietSource {
					delete(l.nameless, k)
				}
			}
		}
		if len(l.nameless) >= maxSources {
			s.Name, sender = "(other sources)", ""
		}
		if u = l.nameless[s]; u == nil {
			s = Source{Signal: s.Signal, Receiver: strings.Clone(s.Receiver), Name: strings.Clone(s.Name)}
			u = &unnamed{Source: s, First: now}
			l.nameless[s] = u
		}
	}
	u.Last, u.Sender = now, strings.Clone(sender)
	at := now.Unix() / 3600
	if n := len(u.Hours); n == 0 || u.Hours[n-1].At != at {
		u.Hours = append(u.Hours, hour{At: at})
		u.Hours = slices.Delete(u.Hours, 0, max(0, len(u.Hours)-2))
	}
	u.Hours[len(u.Hours)-1].Rows += uint64(rows)
}

// unnamed are the sources that send many rows without a service, now.
func (l *Ledger) unnamed(now time.Time) []Gap {
	var out []Gap
	for _, u := range l.nameless {
		if now.Sub(u.Last) >= quietSource {
			continue
		}
		rows, since := uint64(0), now.Unix()/3600-1
		for _, h := range u.Hours {
			if h.At >= since {
				rows += h.Rows
			}
		}
		if rows < leastNameless {
			continue
		}
		from := time.Unix(since*3600, 0)
		if u.First.After(from) {
			from = u.First
		}
		rate := float64(rows) / max(60, now.Sub(from).Seconds())
		word := "lines"
		if u.Signal == Traces {
			word = "spans"
		}
		out = append(out, Gap{
			Signal: u.Signal, Kind: "nameless", Since: u.First, Source: u.Source, Sender: u.Sender,
			Why: fmt.Sprintf("%.2g %s a second without a service from %s (%s): nobody is told of what they say; set service.name", rate, word, u.Name, u.Receiver),
		})
	}
	return out
}

// ServicesOf are the services that a sender sends of, by name.
func (l *Ledger) ServicesOf(sender string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for k, a := range l.accounts {
		if _, ok := a.Senders[sender]; ok && !Nameless(k.Service) {
			out = append(out, k.Service)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sources are those that are saved.
func (l *Ledger) sources() []*unnamed {
	out := make([]*unnamed, 0, len(l.nameless))
	for _, u := range l.nameless {
		out = append(out, u)
	}
	slices.SortFunc(out, func(a, b *unnamed) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
