package journald

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// Handler receives uploads of systemd-journal-upload in the export format; body is the
// limit of a request in bytes.
func Handler(store *logs.Store, body func() int64) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		data, refusal := observe.Body(w, req, body())
		if refusal != nil {
			store.Refused(receiver, refusal.Reason, 1)
			observe.Refuse(w, refusal)
			return
		}
		source, _, _ := net.SplitHostPort(req.RemoteAddr)
		batch := store.Begin(logs.Origin{Receiver: receiver, Source: source, Arrival: true})
		if err := export(data, func(e entry) { batch.Add(e.row()) }); err != nil {
			store.Refused(receiver, "malformed", 1)
			observe.Refuse(w, &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "journal export format: " + err.Error()})
			return
		}
		observe.Answer(w, batch.Commit(), batch.Rows, batch.Refused)
	})
}

var errExport = errors.New("a field is cut off")

const maxFields = 1000

// export reads entries: NAME=value lines, or NAME, a line end, eight bytes of length,
// the value and a line end; an empty line ends an entry.
func export(data []byte, f func(entry)) error {
	e := entry{}
	end := func() {
		if len(e) > 0 {
			f(e)
			e = entry{}
		}
	}
	for len(data) > 0 {
		i := bytes.IndexByte(data, '\n')
		if i < 0 {
			return errExport
		}
		line := data[:i]
		data = data[i+1:]
		if len(line) == 0 {
			end()
			continue
		}
		if len(e) >= maxFields {
			return fmt.Errorf("an entry of more than %d fields", maxFields)
		}
		if name, value, ok := bytes.Cut(line, []byte("=")); ok {
			e[string(name)] = string(value)
			continue
		}
		if len(data) < 8 {
			return errExport
		}
		n := binary.LittleEndian.Uint64(data)
		data = data[8:]
		if n >= uint64(len(data)) || data[n] != '\n' {
			return errExport
		}
		e[string(line)] = string(data[:n])
		data = data[n+1:]
	}
	end()
	return nil
}
