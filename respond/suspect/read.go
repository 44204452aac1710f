package suspect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"
)

// The bounds of a case on disk.
const (
	maxFile    = 512 << 20
	maxRows    = 5_000_000 // of one file
	maxSignals = 20_000
	maxLine    = 1 << 20
	maxName    = 1024
)

// files that a case may have.
var files = []struct {
	name string
	read func(name string, in io.Reader, c *Case) error
}{
	{"metrics.csv", readMetrics}, {"edges.csv", readEdges}, {"changes.jsonl", readChanges},
	{"logs.jsonl", readLogs}, {"spans.jsonl", readSpans}, {"case.json", readCase},
}

// Read reads a case from a folder that has any of metrics.csv, edges.csv,
// changes.jsonl, logs.jsonl, spans.jsonl and case.json. Errors name file, line, what
// was there and what was expected.
func Read(dir fs.FS) (Case, error) {
	var c Case
	found := false
	for _, f := range files {
		in, err := dir.Open(f.name)
		name := f.name
		if errors.Is(err, fs.ErrNotExist) {
			name += ".gz"
			in, err = dir.Open(name)
		}
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return Case{}, fmt.Errorf("cannot read case: %w", err)
		}
		found = true
		plain, err := unpacked(in)
		if err == nil {
			err = f.read(name, &bounded{r: plain, name: name, left: maxFile}, &c)
		} else {
			err = fmt.Errorf("%s: %w, expected text, or text compressed by gzip", name, err)
		}
		if cerr := in.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return Case{}, fmt.Errorf("cannot read case: %w", err)
		}
	}
	if !found {
		return Case{}, errors.New("cannot read case: the folder has none of metrics.csv, edges.csv, changes.jsonl, logs.jsonl, spans.jsonl, case.json")
	}
	if len(c.Signals)+len(c.Changes)+len(c.Logs)+len(c.Spans) == 0 {
		return Case{}, errors.New("cannot read case: it has no metric, change, log record or span to judge by")
	}
	return c, nil
}

// unpacked passes over a byte order mark, and unpacks what gzip has packed, by the first
// bytes and not by the name.
func unpacked(in io.Reader) (io.Reader, error) {
	r := bufio.NewReader(in)
	if head, _ := r.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = bufio.NewReader(z)
	}
	if head, _ := r.Peek(3); string(head) == "\ufeff" {
		_, _ = r.Discard(3)
	}
	return r, nil
}

// bounded fails, rather than ends, where a file is too long.
type bounded struct {
	r    io.Reader
	name string
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%s: got more than %d MiB, expected at most that", b.name, maxFile>>20)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

func wrong(file string, line int, field, got, want string) error {
	if len(got) > 80 {
		got = got[:80] + "…"
	}
	return fmt.Errorf("%s:%d: %s: got %q, expected %s", file, line, field, got, want)
}

// table reads a CSV file with a header that has at least these columns, in any order.
func table(name string, in io.Reader, columns []string, row func(line int, v []string) error) error {
	r := csv.NewReader(in)
	r.ReuseRecord = true
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err == io.EOF {
		return fmt.Errorf("%s:1: got an empty file, expected the header %s", name, strings.Join(columns, ","))
	}
	if err != nil {
		return inCSV(name, err)
	}
	at := make([]int, len(columns))
	for i, c := range columns {
		at[i] = -1
		for j, h := range head {
			if strings.EqualFold(strings.TrimSpace(h), c) {
				at[i] = j
			}
		}
		if at[i] < 0 {
			return wrong(name, 1, "header", strings.Join(head, ","), "the columns "+strings.Join(columns, ","))
		}
	}
	v := make([]string, len(columns))
	for n := 0; ; n++ {
		rec, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return inCSV(name, err)
		}
		line, _ := r.FieldPos(0)
		if n >= maxRows {
			return wrong(name, line, "rows", strconv.Itoa(n+1), fmt.Sprintf("at most %d", maxRows))
		}
		for i, j := range at {
			if j >= len(rec) {
				return wrong(name, line, columns[i], "nothing", fmt.Sprintf("%d columns", len(head)))
			}
			v[i] = rec[j]
		}
		if err := row(line, v); err != nil {
			return err
		}
	}
}

func inCSV(name string, err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return fmt.Errorf("%s:%d: %w, expected comma-separated values", name, p.Line, p.Err)
	}
	return err
}

func readMetrics(name string, in io.Reader, c *Case) error {
	type key struct{ resource, metric string }
	index := map[key]int{}
	err := table(name, in, []string{"time", "resource", "metric", "value"}, func(line int, v []string) error {
		t, err := parseTime(v[0])
		if err != nil {
			return wrong(name, line, "time", v[0], err.Error())
		}
		for i, field := range []string{"resource", "metric"} {
			if s := v[i+1]; s == "" || len(s) > maxName {
				return wrong(name, line, field, s, fmt.Sprintf("a name of 1 to %d bytes", maxName))
			}
		}
		x := math.NaN() // an empty value, NaN, null: no data
		switch s := strings.ToLower(strings.TrimSpace(v[3])); s {
		case "", "nan", "null", "none", "na":
		default:
			if x, err = strconv.ParseFloat(s, 64); err != nil && !errors.Is(err, strconv.ErrRange) { // too large is as infinite: no data
				return wrong(name, line, "value", v[3], "a number, or nothing where there is no data")
			}
		}
		k := key{v[1], v[2]}
		i, ok := index[k]
		if !ok {
			if len(c.Signals) >= maxSignals {
				return wrong(name, line, "metric", v[1]+" "+v[2], fmt.Sprintf("at most %d pairs of resource and metric", maxSignals))
			}
			i = len(c.Signals)
			k = key{strings.Clone(v[1]), strings.Clone(v[2])}
			index[k] = i
			c.Signals = append(c.Signals, Signal{Resource: k.resource, Metric: k.metric})
		}
		s := &c.Signals[i]
		s.Times, s.Values = append(s.Times, t.UnixMilli()), append(s.Values, x)
		return nil
	})
	for i := range c.Signals {
		c.Signals[i].clean()
		c.Signals[i].uncount()
	}
	return err
}

func readEdges(name string, in io.Reader, c *Case) error {
	return table(name, in, []string{"caller", "callee"}, func(line int, v []string) error {
		for i, field := range []string{"caller", "callee"} {
			if v[i] == "" || len(v[i]) > maxName {
				return wrong(name, line, field, v[i], fmt.Sprintf("a name of 1 to %d bytes", maxName))
			}
		}
		c.Edges = append(c.Edges, Edge{strings.Clone(v[0]), strings.Clone(v[1])})
		return nil
	})
}

// lines reads a file of JSON objects, one a line. Empty lines are passed over.
func lines[T any](name string, in io.Reader, row func(line int, v *T) error) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	line := 0
	for sc.Scan() {
		line++
		b := bytes.TrimSpace(sc.Bytes())
		if len(b) == 0 {
			continue
		}
		if line > maxRows {
			return wrong(name, line, "rows", strconv.Itoa(line), fmt.Sprintf("at most %d", maxRows))
		}
		v := new(T)
		if err := json.Unmarshal(b, v); err != nil {
			return inJSON(name, line, string(b), err)
		}
		if err := row(line, v); err != nil {
			return err
		}
	}
	if errors.Is(sc.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: got a line of more than %d bytes, expected one JSON object a line", name, line+1, maxLine)
	}
	return sc.Err()
}

func inJSON(name string, line int, got string, err error) error {
	var t *json.UnmarshalTypeError
	if errors.As(err, &t) {
		if t.Field == "" {
			return wrong(name, line, "JSON", got, "one object")
		}
		return wrong(name, line, strings.ToLower(t.Field), t.Value, "a "+t.Type.String())
	}
	var q *quantityError
	if errors.As(err, &q) {
		return wrong(name, line, "duration_ms", q.got, "milliseconds")
	}
	var te *timeError
	if errors.As(err, &te) {
		return wrong(name, line, "time", te.got, te.want)
	}
	return wrong(name, line, "JSON", got, "one object ("+err.Error()+")")
}

// text is a string, or what else stands there as it is written: numbers of severities
// and spans, records whose body has a structure.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if string(b) != "null" {
		*t = text(b)
	}
	return nil
}

// quantity is a number, or a text that is one.
type quantity float64

func (q *quantity) UnmarshalJSON(b []byte) error {
	s := strings.TrimSpace(strings.Trim(string(b), `"`))
	if s == "null" || s == "" {
		return nil
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return &quantityError{s}
	}
	*q = quantity(x)
	return nil
}

type quantityError struct{ got string }

func (e *quantityError) Error() string { return fmt.Sprintf("got %q, expected a number", e.got) }

// instant is a time in RFC 3339 or Unix seconds, as text or number.
type instant struct{ time.Time }

type timeError struct{ got, want string }

func (e *timeError) Error() string { return fmt.Sprintf("got %q, expected %s", e.got, e.want) }

func (t *instant) UnmarshalJSON(b []byte) error {
	s := strings.Trim(string(b), `"`)
	if s == "null" || s == "" {
		return nil
	}
	x, err := parseTime(s)
	if err != nil {
		return &timeError{s, err.Error()}
	}
	t.Time = x
	return nil
}

const wantTime = "a time in RFC 3339 or Unix seconds"

// parseTime reads RFC 3339 or Unix seconds. Numbers too large for seconds in this era
// are milliseconds, microseconds or nanoseconds, as many exporters write them.
func parseTime(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	if x, err := strconv.ParseFloat(s, 64); err == nil {
		for _, unit := range []float64{1, 1e3, 1e6, 1e9} {
			if v := x / unit; v > 0 && v < 1e11 {
				return time.UnixMilli(int64(math.Round(v * 1000))).UTC(), nil
			}
		}
		return time.Time{}, errors.New(wantTime + " after 1970")
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, s); err == nil {
			if y := t.Year(); y < 1971 || y > 3000 {
				break
			}
			return t.UTC(), nil
		}
	}
	return time.Time{}, errors.New(wantTime)
}

func readChanges(name string, in io.Reader, c *Case) error {
	type change struct {
		ID, Kind, Summary, Actor, From, To text
		Resource                           string
		Resources                          []string
		Time, End                          instant
	}
	return lines(name, in, func(line int, v *change) error {
		if v.Time.IsZero() {
			return wrong(name, line, "time", "", wantTime)
		}
		if v.Resource != "" {
			v.Resources = append(v.Resources, v.Resource)
		}
		if len(v.Resources) == 0 {
			return wrong(name, line, "resource", "", "the name of what was changed")
		}
		c.Changes = append(c.Changes, Change{
			ID: string(v.ID), Kind: string(v.Kind), Summary: string(v.Summary), Resources: v.Resources, Actor: string(v.Actor), From: string(v.From), To: string(v.To), At: v.Time.Time, End: v.End.Time,
		})
		return nil
	})
}

func readLogs(name string, in io.Reader, c *Case) error {
	type record struct {
		Time           instant
		Resource       string
		Severity, Body text
	}
	return lines(name, in, func(line int, v *record) error {
		if v.Time.IsZero() {
			return wrong(name, line, "time", "", wantTime)
		}
		if v.Resource == "" {
			return wrong(name, line, "resource", "", "the name of who wrote it")
		}
		c.Logs = append(c.Logs, Log{At: v.Time.Time, Resource: v.Resource, Severity: string(v.Severity), Body: string(v.Body)})
		return nil
	})
}

func readSpans(name string, in io.Reader, c *Case) error {
	type span struct {
		Time                           instant
		Duration                       quantity `json:"duration_ms"`
		Resource                       string
		Trace, Span, Parent, Operation text
		Status                         any
	}
	return lines(name, in, func(line int, v *span) error {
		if v.Time.IsZero() {
			return wrong(name, line, "time", "", wantTime)
		}
		if v.Resource == "" {
			return wrong(name, line, "resource", "", "the name of what did it")
		}
		if !(v.Duration >= 0 && v.Duration <= 1e12) {
			return wrong(name, line, "duration_ms", fmt.Sprint(v.Duration), "milliseconds")
		}
		c.Spans = append(c.Spans, Span{
			At: v.Time.Time, Duration: time.Duration(v.Duration * 1e6), Trace: string(v.Trace), ID: string(v.Span), Parent: string(v.Parent),
			Resource: v.Resource, Operation: string(v.Operation), Failed: failed(v.Status),
		})
		return nil
	})
}

// failed reads a status: OpenTelemetry's, HTTP's or gRPC's code, or a word.
func failed(status any) bool {
	switch s := status.(type) {
	case float64:
		return failedCode(int(s))
	case bool:
		return !s
	case string:
		l := strings.ToLower(strings.TrimSpace(s))
		if n, err := strconv.Atoi(l); err == nil {
			return failedCode(n)
		}
		switch l {
		case "", "ok", "unset", "status_code_ok", "status_code_unset", "success", "cancelled", "canceled", "true":
			return false
		}
		return true
	}
	return false
}

// failedCode knows OpenTelemetry's error, HTTP's server errors, and those codes of gRPC
// that are the server's fault.
func failedCode(n int) bool {
	switch n {
	case 2, 4, 8, 13, 14, 15:
		return true
	}
	return n >= 500 && n < 600
}

func readCase(name string, in io.Reader, c *Case) error {
	b, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var v struct {
		Onset     instant `json:"onset"`
		QuietFrom instant `json:"quiet_from"`
		QuietTo   instant `json:"quiet_to"`
		Target    string  `json:"target"`
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return inJSON(name, 1, string(b), err)
	}
	if !v.QuietFrom.IsZero() && !v.QuietTo.IsZero() && !v.QuietTo.After(v.QuietFrom.Time) {
		return wrong(name, 1, "quiet_to", v.QuietTo.Format(time.RFC3339), "a time after quiet_from, "+v.QuietFrom.Format(time.RFC3339))
	}
	c.Onset, c.From, c.To, c.Target = v.Onset.Time, v.QuietFrom.Time, v.QuietTo.Time, v.Target
	return nil
}
