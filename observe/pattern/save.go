package pattern

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// saved is a book in a file.
type saved struct {
	Version  int            `json:"version"`
	Services []savedService `json:"services"`
}

type savedService struct {
	Name      string          `json:"name"`
	Since     time.Time       `json:"since"`
	Templates []savedTemplate `json:"templates"`
}

type savedTemplate struct {
	Example  string    `json:"example"`
	Length   int       `json:"length"` // tokens
	Varies   []int     `json:"varies,omitempty"`
	Tail     bool      `json:"tail,omitempty"`
	Count    uint64    `json:"count"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	Severity string    `json:"severity,omitempty"`
	Examples []string  `json:"examples,omitempty"`
	Slots    []slot    `json:"slots"`
}

const version = 2

// Save writes the book to a file, whole or not at all.
func (b *Book) Save(path string) error {
	out := saved{Version: version}
	for name, s := range b.shelves("") {
		s.mu.Lock()
		sv := savedService{Name: name, Since: s.since}
		for _, t := range s.miner.Templates() {
			if t == s.miner.other || t.seen == nil {
				continue
			}
			plain, _ := scan(t.Example, nil)
			st := savedTemplate{Example: t.Example, Length: len(t.tokens), Tail: t.tail, Count: t.Count, First: t.seen.First, Last: t.seen.Last, Severity: t.seen.Severity, Examples: t.seen.Examples, Slots: append([]slot(nil), t.seen.Slots...)}
			for i := range t.tokens {
				if i < len(plain) && plain[i].kind != t.tokens[i].kind {
					st.Varies = append(st.Varies, i)
				}
			}
			sv.Templates = append(sv.Templates, st)
		}
		s.mu.Unlock()
		out.Services = append(out.Services, sv)
	}
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot save patterns: %w", err)
	}
	zw := gzip.NewWriter(f)
	err = errors.Join(json.NewEncoder(zw).Encode(out), zw.Close(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("cannot save patterns: %w", err)
	}
	return nil
}

const maxSaved = 1 << 30

// Load reads a book from a file; a file that is not there is an empty book.
func (b *Book) Load(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot load patterns: %w", err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("cannot load patterns %q: %w", path, err)
	}
	var in saved
	if err := json.NewDecoder(io.LimitReader(zr, maxSaved)).Decode(&in); err != nil {
		return fmt.Errorf("cannot load patterns %q: %w", path, err)
	}
	if in.Version != version {
		return nil // an older program's: they are found again
	}
	for _, sv := range in.Services {
		s := b.shelf(sv.Name)
		s.mu.Lock()
		s.since = sv.Since
		for _, st := range sv.Templates {
			t := s.miner.restore(st.Example, st.Varies, st.Tail, st.Length)
			if t == nil {
				continue
			}
			t.Count = st.Count
			t.seen = &history{First: st.First, Last: st.Last, Slots: st.Slots, Examples: st.Examples}
			t.seen.severity(st.Severity, st.Count)
		}
		s.mu.Unlock()
	}
	return nil
}
