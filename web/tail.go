package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// How a live tail behaves. Past tailRate lines a turn it says that there were more: nobody
// reads them as they come.
const (
	tailEvery = time.Second
	tailLag   = time.Second // rows become readable about a second after they came
	tailRate  = 300
	tailsMost = 64
)

// tailedLine is a line as the script shows it.
type tailedLine struct {
	At       string        `json:"at"`
	Severity string        `json:"severity,omitempty"`
	Service  string        `json:"service,omitempty"`
	Message  string        `json:"message"`
	Trace    string        `json:"trace,omitempty"` // its page
	Fields   []tailedField `json:"fields"`
}

type tailedField struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// tail sends log lines as they come, by server-sent events. One that comes back names the
// last time that it saw.
func (s *site) tail(w http.ResponseWriter, r *http.Request, _ act.Identity) error {
	if s.Logs == nil {
		return act.ErrNotFound
	}
	select {
	case s.tails <- struct{}{}:
		defer func() { <-s.tails }()
	default:
		http.Error(w, fmt.Sprintf("%d live tails are open: try again later", tailsMost), http.StatusServiceUnavailable)
		return nil
	}
	query := strings.TrimSpace(r.URL.Query().Get("logs"))
	q, err := logs.ParseQuery(query, time.Now())
	if err != nil {
		return &act.InvalidError{Field: "logs", Got: query, Want: "LogsQL: " + strings.TrimPrefix(err.Error(), "cannot parse the query: ")}
	}
	if why := logs.CanFollow(q); why != nil {
		return &act.InvalidError{Field: "logs", Got: query, Want: "LogsQL that can be followed: " + why.Error()}
	}
	s.askedLogs(query)
	end := time.Now().Add(-tailLag)
	start := end.Add(-5 * time.Second)
	if n, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		if at := time.UnixMilli(n); at.Before(end) && end.Sub(at) < time.Hour {
			start = at
		}
	}
	out := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	send := func(format string, args ...any) bool {
		_ = out.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := fmt.Fprintf(w, format, args...); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !send("retry: 2000\n: connected\n\n") {
		return nil
	}
	f := logs.NewFollower(s.Logs, q, tailRate+1)
	tick := time.NewTicker(tailEvery)
	defer tick.Stop()
	over := time.NewTimer(streamLife)
	defer over.Stop()
	var left time.Time // up to here there were more lines than are shown
	for beat := 0; ; beat++ {
		lines, err := f.Turn(r.Context(), start, end, tailed)
		if err != nil {
			send("event: trouble\ndata: %s\n\n", quoteLogs(err.Error()))
			return nil
		}
		more := len(lines) > tailRate
		if more {
			lines, left = lines[len(lines)-tailRate:], end
		}
		var b strings.Builder
		for _, l := range lines {
			b.WriteString("data: ")
			b.Write(l)
			b.WriteString("\n\n")
		}
		if more {
			b.WriteString("event: more\ndata: {}\n\n")
		}
		if b.Len() > 0 || beat%20 == 19 {
			if !send("id: %d\n: beat\n%s\n", end.UnixMilli(), b.String()) {
				return nil
			}
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-s.Closing:
			return nil
		case <-over.C:
			return nil
		case <-tick.C:
			start, end = end.Add(-5*time.Second), time.Now().Add(-tailLag)
			if start.Before(left) {
				start = left
			}
		}
	}
}

// tailed is a row of columns as JSON on one line.
func tailed(columns []logs.Column, i int) []byte {
	row := logs.Row{}
	for _, c := range columns {
		switch v := c.Values[i]; {
		case v == "" || c.Name == "_stream" || c.Name == "_stream_id":
		case c.Name == "_time":
			if at, err := time.Parse(time.RFC3339Nano, v); err == nil {
				row.Time = at.UnixNano()
			}
		case c.Name == "_msg":
			row.Fields = append(row.Fields, logs.Field{Value: v})
		default:
			row.Fields = append(row.Fields, logs.Field{Name: c.Name, Value: v})
		}
	}
	l := lineOf(row)
	out := tailedLine{At: l.At.Format("2006-01-02T15:04:05.000Z"), Severity: l.Severity, Service: l.Service, Message: l.Message, Fields: []tailedField{}}
	if l.TraceID != "" {
		out.Trace = traceURL(l.TraceID, l.SpanID)
	}
	for _, f := range l.Fields {
		out.Fields = append(out.Fields, tailedField{f.Name, f.Value})
	}
	text, err := json.Marshal(out)
	if err != nil {
		return []byte(`{"message":"a line that cannot be shown","fields":[]}`)
	}
	return text
}
