// Package jsonline receives lines of JSON as VictoriaLogs does: POST /insert/jsonline
// with _time_field, _msg_field and _stream_fields saying which fields are which.
//
// In: newline-delimited JSON objects, hostile. Out: one row an object; nested objects
// become fields with dots in their names. Promise: 200 means that every line is stored;
// 400 names the first that was not, and the others are; 429 and 503 mean that nothing
// is, and sending again helps.
package jsonline

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const receiver = "jsonline"

// Handler receives lines into a store; body is the limit of a request in bytes.
func Handler(store *logs.Store, body func() int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		o, err := optionsOf(req)
		if err != nil {
			observe.Refuse(w, &observe.Refusal{Status: http.StatusBadRequest, Want: err.Error()})
			return
		}
		source, _, _ := net.SplitHostPort(req.RemoteAddr)
		batch := store.Begin(logs.Origin{Receiver: receiver, Source: source})
		if refusal := observe.BodyThen(w, req, body(), func(data []byte) { lines(batch, o, data) }); refusal != nil {
			store.Refused(receiver, refusal.Reason, 1)
			observe.Refuse(w, refusal)
			return
		}
		observe.Answer(okWriter{w}, batch.Commit(), batch.Rows, batch.Refused)
	})
}

// okWriter answers 200 where others answer 204: as VictoriaLogs does.
type okWriter struct{ http.ResponseWriter }

func (w okWriter) WriteHeader(status int) {
	if status == http.StatusNoContent {
		status = http.StatusOK
	}
	w.ResponseWriter.WriteHeader(status)
}

// options say which fields are which.
type options struct {
	time, message, stream, ignore []string
	extra                         []logs.Field
}

func optionsOf(req *http.Request) (options, error) {
	q := req.URL.Query()
	list := func(arg, header string) []string {
		text := q.Get(arg)
		if text == "" {
			text = req.Header.Get(header)
		}
		return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return strings.TrimSpace(s) == "" })
	}
	o := options{
		time: list("_time_field", "VL-Time-Field"), message: list("_msg_field", "VL-Msg-Field"),
		stream: list("_stream_fields", "VL-Stream-Fields"), ignore: list("ignore_fields", "VL-Ignore-Fields"),
	}
	if len(o.time) == 0 {
		o.time = []string{"_time"}
	}
	if len(o.stream) > 16 {
		return o, fmt.Errorf("got %d stream fields, expected at most 16", len(o.stream))
	}
	for _, e := range list("extra_fields", "VL-Extra-Fields") {
		name, value, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return o, fmt.Errorf("extra_fields: got %q, expected name=value", e)
		}
		o.extra = append(o.extra, logs.Field{Name: name, Value: value})
	}
	return o, nil
}

// lines adds each line.
func lines(batch *logs.Batch, o options, data []byte) {
	p := logstorage.GetJSONParser()
	defer logstorage.PutJSONParser(p)
	var row, fields []logs.Field
	n := 0
	for len(data) > 0 {
		line := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			line, data = data[:end], data[end+1:]
		} else {
			data = nil
		}
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		bad := func(got, want string) {
			batch.Refuse(&observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: fmt.Sprintf("line %d", n), Got: got, Want: want}, 1)
		}
		var plain bool
		if fields, plain = flat(line, fields[:0]); !plain {
			if err := p.ParseLogMessage(line, nil, ""); err != nil {
				bad(strconv.Quote(string(line[:min(len(line), 60)])), "a JSON object")
				continue
			}
			fields = append(fields[:0], p.Fields...)
		}
		at, err := takeTime(o.time, fields)
		if err != nil {
			bad(err.Error(), "a time as 2026-01-02T15:04:05Z, or a Unix time")
			continue
		}
		var streams int
		row, streams = o.row(row[:0], fields)
		if r := batch.Add(at, row, streams); r != nil {
			r.At("line %d", n)
		}
	}
}

// row orders the fields: the service and the stream's first.
func (o *options) row(to []logs.Field, fields []logs.Field) ([]logs.Field, int) {
	for _, m := range o.message {
		if i := slices.IndexFunc(fields, func(f logs.Field) bool { return f.Name == m && f.Value != "" }); i >= 0 {
			fields[i].Name = ""
			break
		}
	}
	service := ""
	for _, name := range o.stream {
		i := slices.IndexFunc(fields, func(f logs.Field) bool { return f.Name == name })
		if i >= 0 && fields[i].Value != "" {
			to = append(to, fields[i])
			fields[i].Value = ""
		}
	}
	streams := len(to)
	// A stream that names the service in another word gets it in ours, too.
	if streams > 0 && !slices.ContainsFunc(to, func(f logs.Field) bool { return f.Name == logs.ServiceField }) {
		service = logs.ServiceOf(to)
	}
	for _, f := range fields {
		if f.Value != "" && !slices.Contains(o.ignore, f.Name) {
			to = append(to, f)
		}
	}
	to = append(to, o.extra...)
	if service != "" && !slices.ContainsFunc(to, func(f logs.Field) bool { return f.Name == logs.ServiceField }) {
		to = append(to, logs.Field{Name: logs.ServiceField, Value: service})
	}
	return to, streams
}

// takeTime takes the time out of the fields; 0 when there is none.
func takeTime(names []string, fields []logs.Field) (int64, error) {
	for _, name := range names {
		for i := range fields {
			if fields[i].Name != name || fields[i].Value == "" {
				continue
			}
			text := fields[i].Value
			at, ok := parseTime(text)
			if !ok {
				return 0, fmt.Errorf("%s %q", name, text[:min(len(text), 60)])
			}
			fields[i].Value = ""
			return at, nil
		}
	}
	return 0, nil
}

// parseTime reads RFC 3339, or a Unix time in seconds, milli-, micro- or nanoseconds.
func parseTime(s string) (int64, bool) {
	if s == "0" || s == "-" {
		return 0, true
	}
	if len(s) > 4 && s[4] == '-' {
		return logstorage.TryParseTimestampRFC3339Nano(s)
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f < 0 || f > 1e12 {
			return 0, false
		}
		return int64(f * 1e9), true
	}
	switch {
	case n < 0:
		return 0, false
	case n < 1e11:
		return n * 1e9, true
	case n < 1e14:
		return n * 1e6, true
	case n < 1e17:
		return n * 1e3, true
	}
	return n, true
}
