package logs

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits bound one row and one store. Zero fields take the default.
type Limits struct {
	ValueBytes int           // one field's value, the message too: longer ones are cut; default 256 KiB
	Fields     int           // of one row: those beyond are left out; default 256
	Streams    int           // seen since the start of the day; beyond, rows share one stream a service; default 50,000
	PerSource  int64         // bytes a second of one sender; 0 no limit
	Future     time.Duration // rows further ahead of the clock are refused; default 10m
}

const (
	maxNameBytes   = 128     // the engine's
	maxRowBytes    = 1 << 20 // half of the engine's, which counts the JSON
	maxStreamBytes = 512     // one stream field's value
	maxStreamParts = 16      // stream fields of one row
)

func (l Limits) filled() Limits {
	if l.ValueBytes <= 0 {
		l.ValueBytes = 256 << 10
	}
	l.ValueBytes = min(l.ValueBytes, maxRowBytes)
	if l.Fields <= 0 {
		l.Fields = 256
	}
	l.Fields = min(l.Fields, 1000)
	if l.Streams <= 0 {
		l.Streams = 50_000
	}
	if l.Future <= 0 {
		l.Future = 10 * time.Minute
	}
	return l
}

// Why a row was changed; labels of the counter.
const (
	ChangedCut     = "cut"      // a value was too long
	ChangedFields  = "fields"   // too many fields, or too large together
	ChangedName    = "name"     // a field name that cannot be kept
	ChangedUTF8    = "utf8"     // invalid UTF-8 became U+FFFD
	ChangedTime    = "time"     // a time that cannot be right became the time of arrival
	ChangedStreams = "streams"  // too many streams
	ChangedTwice   = "repeated" // a field name twice
	ChangedLarge   = "large"    // a trace of more spans than are read at once
)

// clean bounds the fields of a row in place and returns them with the number of stream
// fields among them, which come first. Why says for each change how often.
func (l Limits) clean(fields []Field, streams int, why func(string)) ([]Field, int) {
	kept, keptStreams, size := fields[:0], 0, 0
	cut := 0
	for i, f := range fields {
		stream := i < streams
		if f.Value == "" {
			continue
		}
		if !valid(f.Name) {
			f.Name = strings.ToValidUTF8(f.Name, "\uFFFD")
			why(ChangedUTF8)
		}
		if f.Name == "_msg" {
			f.Name = ""
		}
		if len(f.Name) > maxNameBytes {
			f.Name = cutText(f.Name, maxNameBytes)
			why(ChangedName)
		}
		switch f.Name { // the engine's own
		case "_time", "_stream", "_stream_id":
			f.Name = "field." + f.Name
			why(ChangedName)
		}
		if stream && (strings.IndexByte(f.Name, '=') >= 0 || strings.IndexByte(f.Name, '}') >= 0) {
			f.Name = strings.NewReplacer("=", "_", "}", "_").Replace(f.Name)
			why(ChangedName)
		}
		if !valid(f.Value) {
			f.Value = strings.ToValidUTF8(f.Value, "\uFFFD")
			why(ChangedUTF8)
		}
		most := l.ValueBytes
		if stream {
			most = maxStreamBytes
		}
		if len(f.Value) > most {
			cut += len(f.Value)
			f.Value = cutText(f.Value, most)
			cut -= len(f.Value)
			why(ChangedCut)
		}
		if stream && i >= maxStreamParts {
			stream = false
		}
		if len(kept) >= l.Fields || size+len(f.Name)+len(f.Value) > maxRowBytes {
			why(ChangedFields)
			continue
		}
		if twice(kept, f.Name) {
			why(ChangedTwice)
			continue
		}
		size += len(f.Name) + len(f.Value) + 6
		kept = append(kept, f)
		if stream {
			keptStreams++
		}
	}
	if cut > 0 {
		kept = append(kept, Field{Name: "cut_bytes", Value: strconv.Itoa(cut)})
	}
	return kept, keptStreams
}

func valid(s string) bool { return utf8.ValidString(s) }

func twice(fields []Field, name string) bool {
	for i := range fields {
		if fields[i].Name == name {
			return true
		}
	}
	return false
}

// cutText cuts at a rune's boundary.
func cutText(s string, most int) string {
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
