// Package journald takes in systemd's journal: this machine's, read by journalctl, and
// other machines', uploaded by systemd-journal-upload to /insert/journald/upload.
//
// In: entries as JSON lines or in the export format. Out: rows whose stream is the unit
// and the host. Promise: the cursor of the last entry is written down after its row is
// stored, and a restart goes on behind it. An upload is answered when it is stored.
package journald

import (
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/observe/logs"
)

const receiver = "journald"

// entry is one entry of a journal, by field.
type entry map[string]string

// row turns an entry into a row. The journal's own names stay, without those that only
// the journal itself needs.
func (e entry) row() (at int64, fields []logs.Field, streams int) {
	service := strings.TrimSuffix(e["_SYSTEMD_UNIT"], ".service")
	if service == "" || strings.HasSuffix(service, ".scope") || strings.HasPrefix(service, "user@") {
		if id := e["SYSLOG_IDENTIFIER"]; id != "" {
			service = id
		}
	}
	if service == "" {
		service = e["_COMM"]
	}
	if service == "" {
		service = e["_TRANSPORT"]
	}
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, logs.Field{Name: name, Value: value})
		}
	}
	add(logs.ServiceField, service)
	add("host.name", e["_HOSTNAME"])
	streams = len(fields)
	add("", e["MESSAGE"])
	if p, err := strconv.Atoi(e["PRIORITY"]); err == nil && p >= 0 && p < len(severities) {
		add("severity", severities[p])
	}
	for _, name := range sortedKeys(e) {
		switch {
		case name == "MESSAGE" || name == "PRIORITY" || name == "_HOSTNAME" || strings.HasPrefix(name, "__"), name == "_BOOT_ID", name == "_MACHINE_ID", name == "_SOURCE_REALTIME_TIMESTAMP", name == "_SOURCE_MONOTONIC_TIMESTAMP":
		default:
			add(name, e[name])
		}
	}
	if us, err := strconv.ParseInt(e["__REALTIME_TIMESTAMP"], 10, 64); err == nil && us > 0 && us < 1<<53 {
		at = us * 1000
	}
	return at, fields, streams
}

var severities = [8]string{"fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug"}
