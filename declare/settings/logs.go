package settings

import (
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

func defaultLogs() declare.LogSettings {
	return declare.LogSettings{Retention: 7 * 24 * time.Hour}
}

const syslogRate = 10_000

// logs reads the logs section.
func logs(n yamldoc.Node, s *declare.LogSettings) {
	n.Only("retention", "retention_size", "journal", "syslog", "files", "drop", "aggregate")
	duration(n.Field("retention"), &s.Retention, 24*time.Hour, 20*365*24*time.Hour)
	size(n.Field("retention_size"), &s.RetentionSize, 64<<20)
	if j := n.Field("journal"); !j.Missing() {
		j.Only("enabled", "units")
		s.Journal.Enabled = true
		if e := j.Field("enabled"); !e.Missing() {
			s.Journal.Enabled = e.Bool()
		}
		if u := j.Field("units"); !u.Missing() {
			s.Journal.Units = u.Strings()
		}
	}
	s.Reduce = reductions(n)
	for _, l := range list(n.Field("syslog")) {
		s.Syslog = append(s.Syslog, syslogListener(l))
	}
	for _, f := range list(n.Field("files")) {
		s.Files = append(s.Files, logFile(f))
	}
}

func list(n yamldoc.Node) []yamldoc.Node {
	if n.Missing() {
		return nil
	}
	return n.List()
}

func syslogListener(n yamldoc.Node) declare.SyslogListener {
	n.Only("protocol", "address", "cert", "key", "client_ca", "rate")
	l := declare.SyslogListener{Protocol: "udp", Rate: syslogRate}
	if p := n.Field("protocol"); !p.Missing() {
		l.Protocol = p.String()
		known := []string{"udp", "tcp", "tls"}
		if !slices.Contains(known, l.Protocol) {
			p.Problem(p.Text(), "udp, tcp or tls", yamldoc.Suggest(p.Text(), known))
		}
	}
	l.Address = n.Field("address").Required("where to listen, as 127.0.0.1:5514")
	if _, port, err := net.SplitHostPort(l.Address); l.Address != "" && (err != nil || port == "") {
		n.Field("address").Problem(l.Address, "an address as 127.0.0.1:5514", "")
	}
	l.Cert, l.Key, l.ClientCA = n.Field("cert").Text(), n.Field("key").Text(), n.Field("client_ca").Text()
	switch {
	case l.Protocol == "tls" && (l.Cert == "" || l.Key == ""):
		n.Problem("protocol tls", "the files of a certificate and its key: cert, key", "")
	case l.Protocol != "tls" && (l.Cert != "" || l.Key != "" || l.ClientCA != ""):
		n.Problem("protocol "+l.Protocol, "cert, key and client_ca with protocol tls only", "")
	}
	count(n.Field("rate"), &l.Rate)
	return l
}

func logFile(n yamldoc.Node) declare.LogFile {
	n.Only("path", "service", "multiline", "format")
	f := declare.LogFile{Format: "text"}
	f.Path = n.Field("path").Required("a file, or a pattern as /var/log/app/*.log")
	if _, err := filepath.Match(f.Path, "x"); err != nil {
		n.Field("path").Problem(f.Path, "a pattern as /var/log/app/*.log: "+err.Error(), "")
	}
	if f.Path != "" && !filepath.IsAbs(f.Path) {
		n.Field("path").Problem(f.Path, "an absolute path", "")
	}
	f.Service = declare.ServiceID(n.Field("service").Text())
	if m := n.Field("multiline"); !m.Missing() {
		re, err := regexp.Compile(m.String())
		if err != nil {
			m.Problem(m.Text(), "a regular expression that matches a record's first line: "+err.Error(), "")
		}
		f.Multiline = re
	}
	if m := n.Field("format"); !m.Missing() {
		f.Format = m.String()
		if f.Format != "text" && f.Format != "json" {
			m.Problem(m.Text(), "text or json", yamldoc.Suggest(m.Text(), []string{"text", "json"}))
		}
	}
	return f
}
