package logsql

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// query streams rows as lines of JSON, or as CSV.
func (h *handler) query(w http.ResponseWriter, q *request) error {
	offset, err := number(q.r, "offset")
	if err != nil {
		return err
	}
	format := q.r.FormValue("format")
	if format != "" && format != "csv" {
		return bad("format: got %q, expected csv or nothing", format)
	}
	if q.limit > 0 {
		if q.q.CanReturnLastNResults() {
			q.q.AddPipeSortByTimeDesc()
		}
		q.q.AddPipeOffsetLimit(offset, q.limit)
	}
	if format == "csv" {
		return h.csv(w, q)
	}
	w.Header().Set("Content-Type", "application/stream+json")
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	written := false
	err = h.o.Store.Blocks(q.ctx, q.q, func(columns []logs.Column) bool {
		for i := range columns[0].Values {
			line = appendRow(line[:0], columns, i)
			if len(line) == 0 {
				continue
			}
			written = true
			if _, err := out.Write(line); err != nil {
				return false // the asker has gone
			}
		}
		return true
	})
	if err != nil && written { // too late for another status: the answer ends in the middle of a line
		_, _ = out.WriteString(`{"error":`)
		_ = out.Flush()
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

// appendRow appends a row as one line of JSON, without fields that have no value.
func appendRow(to []byte, columns []logs.Column, i int) []byte {
	begun := false
	for _, c := range columns {
		v := c.Values[i]
		if v == "" {
			continue
		}
		if begun {
			to = append(to, ',')
		} else {
			to = append(to, '{')
		}
		begun = true
		to = appendString(to, c.Name)
		to = append(to, ':')
		to = appendString(to, v)
	}
	if begun {
		to = append(to, '}', '\n')
	}
	return to
}

func appendString(to []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			b, _ := json.Marshal(s) // strings always marshal
			return append(to, b...)
		}
	}
	to = append(to, '"')
	to = append(to, s...)
	return append(to, '"')
}

func (h *handler) csv(w http.ResponseWriter, q *request) error {
	fields, fixed := q.q.GetFixedFields()
	if !fixed {
		text := q.q.Clone(q.q.GetTimestamp())
		names, err := h.o.Store.FieldNames(q.ctx, text, "")
		if err != nil {
			return err
		}
		fields = fields[:0]
		for _, n := range names {
			fields = append(fields, n.Value)
		}
		slices.Sort(fields)
	}
	w.Header().Set("Content-Type", "text/csv")
	out := csv.NewWriter(w)
	if err := out.Write(fields); err != nil {
		return err
	}
	record := make([]string, len(fields))
	err := h.o.Store.Blocks(q.ctx, q.q, func(columns []logs.Column) bool {
		for i := range columns[0].Values {
			clear(record)
			for _, c := range columns {
				if at := slices.Index(fields, c.Name); at >= 0 {
					record[at] = c.Values[i]
				}
			}
			if out.Write(record) != nil {
				return false
			}
		}
		return true
	})
	out.Flush()
	return err
}

const (
	tailEvery = time.Second
	// tailLag is how far a tail stays behind the clock: late rows are still in order.
	tailLag  = 2 * time.Second
	tailMost = 10_000 // rows a turn
)

// tail streams rows as they come until the asker goes.
func (h *handler) tail(w http.ResponseWriter, r *http.Request) {
	select {
	case h.tails <- struct{}{}:
		defer func() { <-h.tails }()
	default:
		fail(w, &statusError{http.StatusServiceUnavailable, errTails})
		return
	}
	q, err := h.parse(w, r)
	if err == nil {
		if why := logs.CanFollow(q.q); why != nil {
			err = bad("this query cannot be followed: %v", why)
		}
	}
	var every, lag, back time.Duration
	if err == nil {
		every, err = duration(r, "refresh_interval", tailEvery)
	}
	if err == nil {
		lag, err = duration(r, "offset", tailLag)
	}
	if err == nil {
		back, err = duration(r, "start_offset", 5*time.Second)
	}
	if err != nil {
		fail(w, err)
		return
	}
	every = max(every, 100*time.Millisecond)
	back = min(back, 24*time.Hour)
	flush := http.NewResponseController(w)
	_ = flush.SetWriteDeadline(time.Time{})
	w.Header().Set("Content-Type", "application/stream+json")
	w.WriteHeader(http.StatusOK)
	_ = flush.Flush()
	f := logs.NewFollower(h.o.Store, q.q, tailMost)
	end := time.Now().Add(-lag)
	start := end.Add(-back)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		lines, err := f.Turn(r.Context(), start, end, func(columns []logs.Column, i int) []byte { return appendRow(nil, columns, i) })
		if err != nil {
			return
		}
		for _, l := range lines {
			if _, err := w.Write(l); err != nil {
				return
			}
		}
		if len(lines) > 0 && flush.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-h.o.Closing:
			return
		case <-tick.C:
			// A turn looks a little further back than the last one ended: rows become
			// readable up to a second after their time, and some come late.
			start, end = end.Add(-5*time.Second), time.Now().Add(-lag)
		}
	}
}

func column(columns []logs.Column, name string) []string {
	for _, c := range columns {
		if c.Name == name {
			return c.Values
		}
	}
	return nil
}
