package declare

import (
	"regexp"
	"time"
)

// LogSettings is the logs section of evenkeel.yml.
type LogSettings struct {
	Retention     time.Duration // default 7d
	RetentionSize int64         // bytes, 0 no limit
	Journal       Journal
	Syslog        []SyslogListener
	Files         []LogFile
	Reduce        []LogReduction // drop rules, then aggregate rules
}

// LogReduction keeps rows out of the store: a drop rule, or with Record an aggregate
// rule, which counts them in a series.
type LogReduction struct {
	Name   string
	Match  string   // LogsQL without pipes
	By     []string // fields that become labels
	Record string
}

// Journal says whether this machine's systemd journal is read.
type Journal struct {
	Enabled bool
	Units   []string // only these; none means all
}

// SyslogListener is one address that syslog is taken on.
type SyslogListener struct {
	Protocol string // udp, tcp or tls
	Address  string
	Cert     string // files, for tls
	Key      string
	ClientCA string // when set, senders need a certificate of it
	Rate     int    // messages a second of one host; more are refused; default 10,000
}

// LogFile is a file, or several, that are followed.
type LogFile struct {
	Path      string // a glob
	Service   ServiceID
	Multiline *regexp.Regexp // what a record's first line looks like; nil: each line is a record
	Format    string         // text or json
}
