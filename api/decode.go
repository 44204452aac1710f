package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// maxDepth bounds the nesting of a body; no noun of ours is deeper than four.
const maxDepth = 32

// decodeBody reads one JSON value and nothing else. An empty body is an empty
// object, because some acts need no words.
func decodeBody(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("cannot read the body: %w", err)
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return missing(into, nil)
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return &httpError{http.StatusUnsupportedMediaType, Error{
			Code: "unsupported_media_type", Message: "the body is not JSON, or does not say so",
			Field: "Content-Type", Got: cut(r.Header.Get("Content-Type")), Want: "application/json",
		}}
	}
	return decodeJSON(body, into)
}

// decodeJSON is strict: fields that are unknown or given twice, text that is not
// UTF-8 and anything after the value are refused.
func decodeJSON(body []byte, into any) error {
	if !utf8.Valid(body) {
		return invalid("body", "", "text in UTF-8")
	}
	var probe json.RawMessage
	if err := json.Unmarshal(body, &probe); err != nil {
		return decodeError(body, into, err)
	}
	names, err := walk(body)
	if err != nil {
		return err
	}
	if text := bytes.TrimSpace(body); text[0] != '{' {
		return invalid("body", string(text), "an object")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return decodeError(body, into, err)
	}
	return missing(into, names)
}

// missing refuses a body without a field that is required.
func missing(into any, names map[string]bool) error {
	for _, f := range fields(reflect.TypeOf(into).Elem()) {
		if !f.optional && !names[f.name] {
			want := words(f.typ)
			if f.doc != "" {
				want += ": " + strings.TrimSuffix(f.doc, ".")
			}
			return invalid(f.name, "", want)
		}
	}
	return nil
}

// walk looks at the form of a body that is JSON: not too deep, each name once. It
// returns the names of an outermost object.
func walk(body []byte) (outermost map[string]bool, err error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		names map[string]bool // nil inside an array
		value bool            // a value comes next, not a name
	}
	var stack []level
	for started := false; !started || len(stack) > 0; started = true {
		token, err := dec.Token()
		if err != nil {
			return nil, decodeError(body, nil, err) // never: it is JSON
		}
		if d, ok := token.(json.Delim); ok && (d == '}' || d == ']') {
			stack = stack[:len(stack)-1]
			continue
		}
		if len(stack) > 0 && stack[len(stack)-1].names != nil {
			top := &stack[len(stack)-1]
			if !top.value {
				name, _ := token.(string) // the decoder lets nothing else stand here
				if top.names[name] {
					return nil, invalid(name, "", "the field once")
				}
				top.names[name], top.value = true, true
				continue
			}
			top.value = false
		}
		if d, ok := token.(json.Delim); ok {
			if len(stack) == maxDepth {
				return nil, invalid("body", "", fmt.Sprintf("at most %d levels of nesting", maxDepth))
			}
			next := level{}
			if d == '{' {
				next.names = map[string]bool{}
			}
			if len(stack) == 0 {
				outermost = next.names
			}
			stack = append(stack, next)
		}
	}
	return outermost, nil
}

// decodeError says a JSON error in the words of the person who wrote the input.
func decodeError(body []byte, into any, err error) error {
	var (
		syntax *json.SyntaxError
		typ    *json.UnmarshalTypeError
	)
	switch {
	case errors.As(err, &syntax) && strings.HasSuffix(syntax.Error(), "after top-level value"):
		return invalid(place(body, syntax.Offset), "", "one JSON value and nothing after it")
	case errors.As(err, &syntax):
		return invalid(place(body, syntax.Offset), "", "JSON ("+strings.TrimPrefix(syntax.Error(), "json: ")+")")
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid(place(body, int64(len(body))), "", "JSON (it ends too early)")
	case errors.As(err, &typ):
		field := typ.Field
		if field == "" {
			field = "body"
		}
		return invalid(field, typ.Value, words(typ.Type))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		var known []string
		for _, f := range fields(reflect.TypeOf(into).Elem()) {
			known = append(known, f.name)
		}
		want := "one of " + strings.Join(known, ", ")
		if s := yamldoc.Suggest(name, known); s != "" {
			want += " (" + s + ")"
		}
		return invalid("body", name, want)
	}
	// What is left are the values' own readers: time.Time says what it wanted.
	return invalid("body", "", "JSON of the documented form ("+cut(err.Error())+")")
}

// place names a line and a column of a body.
func place(body []byte, offset int64) string {
	before := body[:min(max(offset-1, 0), int64(len(body)))]
	line := 1 + bytes.Count(before, []byte("\n"))
	column := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return fmt.Sprintf("body, line %d, column %d", line, column)
}

// words says a type to people.
func words(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Pointer:
		return words(t.Elem())
	}
	return "a number"
}
