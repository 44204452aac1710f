// Package loki receives what Loki's clients push: POST /loki/api/v1/push, protobuf
// (snappy) and JSON, with structured metadata.
//
// In: a push request, hostile. Out: rows whose stream is the labels of the request.
// Promise: 204 means that every line is stored; 400 names the first that was not, and
// the others are; 429 and 503 mean that nothing is, and sending again helps.
package loki

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
)

const receiver = "loki"

var selector = parser.NewParser(parser.Options{})

// Handler receives pushes into a store; body is the limit of a request in bytes.
func Handler(store *logs.Store, body func() int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		batch, refusal := push(store, w, req, body())
		if refusal != nil {
			store.Refused(receiver, refusal.Reason, 1)
			observe.Refuse(w, refusal)
			return
		}
		observe.Answer(w, batch.Commit(), batch.Rows, batch.Refused)
	})
}

func push(store *logs.Store, w http.ResponseWriter, req *http.Request, limit int64) (*logs.Batch, *observe.Refusal) {
	source, _, _ := net.SplitHostPort(req.RemoteAddr)
	batch := store.Begin(logs.Origin{Receiver: receiver, Source: source})
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	switch {
	case err == nil && kind == "application/json":
		data, refusal := observe.Body(w, req, limit)
		if refusal != nil {
			return nil, refusal
		}
		return batch, malformed(pushJSON(batch, data))
	case req.Header.Get("Content-Type") == "" || err == nil && kind == "application/x-protobuf":
		packed, refusal := observe.Body(w, req, limit)
		if refusal != nil {
			return nil, refusal
		}
		data := packed
		if enc := req.Header.Get("Content-Encoding"); enc == "" || enc == "identity" {
			// Loki's clients compress always and mostly don't say so.
			size, err := snappy.DecodedLen(packed)
			if err != nil {
				return nil, malformed(fmt.Errorf("snappy: %w", err))
			}
			if int64(size) > limit {
				return nil, observe.TooLarge(limit)
			}
			if data, err = snappy.Decode(nil, packed); err != nil {
				return nil, malformed(fmt.Errorf("snappy: %w", err))
			}
		}
		return batch, malformed(pushProto(batch, data))
	}
	return nil, &observe.Refusal{
		Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Type",
		Got: fmt.Sprintf("%q", req.Header.Get("Content-Type")), Want: "application/x-protobuf or application/json",
	}
}

func malformed(err error) *observe.Refusal {
	if err == nil {
		return nil
	}
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "a push request: " + err.Error()}
}

// stream turns labels into fields, the service first.
func stream(ls map[string]string, order []string) []logs.Field {
	fields := make([]logs.Field, 1, len(order)+1)
	for _, name := range order {
		if name != logs.ServiceField && ls[name] != "" {
			fields = append(fields, logs.Field{Name: name, Value: ls[name]})
		}
	}
	service := ls[logs.ServiceField]
	if service == "" {
		service = logs.ServiceOf(fields[1:])
	}
	if service == "" {
		return fields[1:]
	}
	fields[0] = logs.Field{Name: logs.ServiceField, Value: service}
	return fields
}

func pushJSON(batch *logs.Batch, data []byte) error {
	var in struct {
		Streams []struct {
			Stream map[string]string `json:"stream"`
			Values []json.RawMessage `json:"values"`
		} `json:"streams"`
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	if err := dec.Decode(&in); err != nil {
		return err
	}
	if in.Streams == nil {
		return errors.New(`expected "streams"`)
	}
	for i, s := range in.Streams {
		fields := stream(s.Stream, sortedKeys(s.Stream))
		streams := len(fields)
		for j, raw := range s.Values {
			bad := func(got, want string) {
				batch.Refuse(&observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: fmt.Sprintf("stream %d, value %d", i, j), Got: got, Want: want}, 1)
			}
			var value []json.RawMessage
			if err := json.Unmarshal(raw, &value); err != nil || len(value) < 2 || len(value) > 3 {
				bad(clip(raw), `[time, line] or [time, line, {metadata}]`)
				continue
			}
			var line string
			if err := json.Unmarshal(value[1], &line); err != nil {
				bad(clip(value[1]), "a line as a string")
				continue
			}
			var when string
			if err := json.Unmarshal(value[0], &when); err != nil {
				when = string(value[0])
			}
			at, err := strconv.ParseInt(when, 10, 64)
			if err != nil {
				bad(clip(value[0]), "a time in nanoseconds as a string")
				continue
			}
			row := append(fields[:streams:streams], logs.Field{Value: line})
			if len(value) == 3 {
				var meta map[string]string
				if err := json.Unmarshal(value[2], &meta); err != nil {
					bad(clip(value[2]), "metadata as an object of strings")
					continue
				}
				for _, k := range sortedKeys(meta) {
					row = appendMeta(row, streams, k, meta[k])
				}
			}
			if r := batch.Add(at, row, streams); r != nil {
				r.At("stream %d, value %d", i, j)
			}
		}
	}
	return nil
}

// appendMeta adds structured metadata, which yields to a label of the same name.
func appendMeta(row []logs.Field, streams int, name, value string) []logs.Field {
	for i := range row[:streams] {
		if row[i].Name == name {
			if row[i].Value == value {
				return row
			}
			name = "metadata." + name
			break
		}
	}
	return append(row, logs.Field{Name: name, Value: value})
}

func clip(raw []byte) string {
	return strconv.Quote(string(raw[:min(len(raw), 60)]))
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}

// each calls f with the fields of a protobuf message that carry bytes or numbers.
func each(data []byte, f func(num protowire.Number, bytes []byte, number uint64) error) error {
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		data = data[n:]
		var b []byte
		var v uint64
		switch typ {
		case protowire.BytesType:
			b, n = protowire.ConsumeBytes(data)
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(data)
		default:
			n = protowire.ConsumeFieldValue(num, typ, data)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		data = data[n:]
		if err := f(num, b, v); err != nil {
			return err
		}
	}
	return nil
}

// pushProto reads logproto's PushRequest.
func pushProto(batch *logs.Batch, data []byte) error {
	i := -1
	return each(data, func(num protowire.Number, s []byte, _ uint64) error {
		if num != 1 || s == nil {
			return nil
		}
		i++
		var text string
		if err := each(s, func(num protowire.Number, b []byte, _ uint64) error {
			if num == 1 {
				text = string(b)
			}
			return nil
		}); err != nil {
			return err
		}
		ls, err := parseLabels(text)
		if err != nil {
			n := 0
			_ = each(s, func(num protowire.Number, _ []byte, _ uint64) error {
				if num == 2 {
					n++
				}
				return nil
			})
			batch.Refuse(&observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: fmt.Sprintf("stream %d", i), Got: clip([]byte(text)), Want: `labels as {app="shop"}: ` + err.Error()}, max(n, 1))
			return nil
		}
		fields := stream(ls, sortedKeys(ls))
		streams := len(fields)
		var row []logs.Field
		j := 0
		return each(s, func(num protowire.Number, entry []byte, _ uint64) error {
			if num != 2 {
				return nil
			}
			at := int64(0)
			row = append(row[:0], fields...)
			if err := each(entry, func(num protowire.Number, b []byte, _ uint64) error {
				switch num {
				case 1:
					return each(b, func(num protowire.Number, _ []byte, v uint64) error {
						switch num {
						case 1:
							at += int64(v) * int64(time.Second)
						case 2:
							at += int64(v)
						}
						return nil
					})
				case 2:
					row = append(row, logs.Field{Value: string(b)})
				case 3:
					var name, value string
					if err := each(b, func(num protowire.Number, b []byte, _ uint64) error {
						switch num {
						case 1:
							name = string(b)
						case 2:
							value = string(b)
						}
						return nil
					}); err != nil {
						return err
					}
					row = appendMeta(row, streams, name, value)
				}
				return nil
			}); err != nil {
				return err
			}
			if r := batch.Add(at, row, streams); r != nil {
				r.At("stream %d, value %d", i, j)
			}
			j++
			return nil
		})
	})
}

// parseLabels reads {a="b", c="d"}.
func parseLabels(text string) (map[string]string, error) {
	out := map[string]string{}
	if text = strings.TrimSpace(text); text == "" || text == "{}" {
		return out, nil
	}
	ls, err := selector.ParseMetric(text)
	if err != nil {
		return nil, err
	}
	ls.Range(func(l labels.Label) { out[l.Name] = l.Value })
	return out, nil
}
