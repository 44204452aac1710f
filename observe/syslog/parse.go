package syslog

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"time"

	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc3164"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/evenkeel/evenkeel/observe/logs"
)

// parser reads messages of either RFC. It is used by one goroutine.
type parser struct {
	new, old, stamped gosyslog.Machine
	fields            []logs.Field
}

func newParser() *parser {
	return &parser{
		new:     rfc5424.NewMachine(rfc5424.WithBestEffort()),
		old:     rfc3164.NewMachine(rfc3164.WithBestEffort(), rfc3164.WithYear(rfc3164.CurrentYear{}), rfc3164.WithLocaleTimezone(time.Local)), //nolint:gosmopolitan // its senders write local times
		stamped: rfc3164.NewMachine(rfc3164.WithBestEffort(), rfc3164.WithRFC3339()),
	}
}

// parse turns a message into a row. What cannot be read is a row too: the whole of it
// is the message.
func (p *parser) parse(msg []byte, source string, now time.Time) (at int64, fields []logs.Field, streams int) {
	msg = bytes.TrimRight(msg, "\r\n\x00")
	var base gosyslog.Base
	var data map[string]map[string]string
	ok := false
	func() {
		defer func() { _ = recover() }() // a parser's own fault must not end the listener
		if m, err := p.machine(msg).Parse(msg); m != nil {
			ok = err == nil || m.Valid()
			switch m := m.(type) {
			case *rfc5424.SyslogMessage:
				base = m.Base
				if m.StructuredData != nil {
					data = *m.StructuredData
				}
			case *rfc3164.SyslogMessage:
				base = m.Base
			}
		}
	}()
	p.fields = p.fields[:0]
	add := func(name, value string) {
		if value != "" {
			p.fields = append(p.fields, logs.Field{Name: name, Value: value})
		}
	}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	add(logs.ServiceField, strings.TrimSuffix(text(base.Appname), ":"))
	host := text(base.Hostname)
	if host == "" {
		host = source
	}
	add("host.name", host)
	streams = len(p.fields)
	message := text(base.Message)
	if !ok || base.Message == nil {
		message = string(msg)
	}
	if message == string(msg) && base.Appname == nil && len(msg) > 0 && base.Priority == nil {
		add("parse_error", "not RFC 5424 or 3164")
	}
	add("", strings.TrimPrefix(message, "\uFEFF"))
	if base.Priority != nil {
		add("severity", severities[*base.Priority&7])
		add("facility", facilities[min(int(*base.Priority)/8, len(facilities)-1)])
	}
	add("proc_id", text(base.ProcID))
	add("msg_id", text(base.MsgID))
	for _, id := range slices.Sorted(maps.Keys(data)) {
		for _, name := range slices.Sorted(maps.Keys(data[id])) {
			add("sd."+id+"."+name, data[id][name])
		}
	}
	add("source", source)
	return when(base.Timestamp, now), p.fields, streams
}

var severities = [8]string{"fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug"}

var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp", "audit", "alert", "clock",
	"local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// machine chooses by what stands behind the priority.
func (p *parser) machine(msg []byte) gosyslog.Machine {
	end := bytes.IndexByte(msg, '>')
	if end < 0 || end > 4 || end+2 >= len(msg) {
		return p.old
	}
	rest := msg[end+1:]
	switch {
	case rest[0] >= '1' && rest[0] <= '9' && rest[1] == ' ':
		return p.new
	case rest[0] >= '0' && rest[0] <= '9':
		return p.stamped
	}
	return p.old
}

// when is the time of a message. RFC 3164 has no year: a day that is far ahead was last
// year's. Whole seconds near the arrival get its fraction, which keeps equal lines of
// one second apart.
func when(stamp *time.Time, now time.Time) int64 {
	if stamp == nil || stamp.Year() < 1 {
		return now.UnixNano()
	}
	t := *stamp
	if t.Sub(now) > 31*24*time.Hour && t.Year() == now.Year() {
		t = t.AddDate(-1, 0, 0)
	}
	if t.Nanosecond() == 0 && now.Sub(t).Abs() < 2*time.Second {
		return t.Unix()*1e9 + int64(now.Nanosecond())
	}
	return t.UnixNano()
}
