package history

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/prometheus/prometheus/storage"
)

// Options of Open.
type Options struct {
	// Where is a data folder, an address (http or https), or a file in OpenMetrics or
	// Prometheus text, in the language of promqltest ("load"), or a promtool unit test.
	Where string
	// Client asks a server; default http.DefaultClient.
	Client *http.Client
}

// History is what was opened.
type History struct {
	storage.Queryable
	What   string    // in words
	Oldest time.Time // of its samples; zero when nobody knows before reading
	Newest time.Time
	close  func() error
}

// Close lets go of it.
func (h *History) Close() error {
	if h.close == nil {
		return nil
	}
	return h.close()
}

// Open opens a history.
func Open(ctx context.Context, o Options) (*History, error) {
	if strings.HasPrefix(o.Where, "http://") || strings.HasPrefix(o.Where, "https://") {
		return openServer(ctx, o)
	}
	info, err := os.Stat(o.Where)
	if err != nil {
		return nil, fmt.Errorf("cannot open history: %w", err)
	}
	if !info.IsDir() {
		m, what, err := readFile(o.Where, info.Size())
		if err != nil {
			return nil, err
		}
		if m.n == 0 {
			return nil, fmt.Errorf("%s: there is no sample in it", o.Where)
		}
		return &History{Queryable: m, What: what, Oldest: time.UnixMilli(m.from), Newest: time.UnixMilli(m.to)}, nil
	}
	f, from, to, err := openFolder(o.Where)
	if err != nil {
		return nil, err
	}
	if from > to {
		return nil, errors.Join(fmt.Errorf("%s: there is no sample in it", o.Where), f.Close())
	}
	return &History{Queryable: f, What: "the samples in " + f.dir, Oldest: time.UnixMilli(from), Newest: time.UnixMilli(to), close: f.Close}, nil
}

// First is when the samples begin between two times, as nearly as the store's index
// tells: a server is asked for the names of labels, a dozen times. Never later than they
// begin.
func (h *History) First(ctx context.Context, from, to time.Time) (time.Time, error) {
	if !h.Oldest.IsZero() {
		if h.Oldest.After(from) {
			from = h.Oldest
		}
		return from, nil
	}
	some := func(until time.Time) (bool, error) {
		q, err := h.Querier(from.UnixMilli(), until.UnixMilli())
		if err != nil {
			return false, err
		}
		defer q.Close()
		names, _, err := q.LabelNames(ctx, nil)
		return len(names) > 0, err
	}
	near := max(to.Sub(from)/2000, time.Minute)
	if any, err := some(from.Add(near)); err != nil || any {
		return from, err
	}
	empty, found := from.Add(near), to
	for found.Sub(empty) > near {
		mid := empty.Add(found.Sub(empty) / 2)
		any, err := some(mid)
		if err != nil {
			return from, err
		}
		if any {
			found = mid
		} else {
			empty = mid
		}
	}
	return empty.Add(-near), nil // a little before, rather than after
}
