// Package settings reads evenkeel.yml.
//
// In: the file, which may be missing. Out: settings with every default filled in.
package settings

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/units"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// Default is what holds where nothing is declared. docs/declare.md lists it.
func Default() declare.Settings {
	var s declare.Settings
	s.Evaluation.Interval, s.Evaluation.Spacing = time.Second, 15*time.Second
	s.Metrics.Retention = 30 * 24 * time.Hour
	s.Metrics.OutOfOrder = 10 * time.Minute
	s.Logs, s.Traces = defaultLogs(), defaultTraces()
	s.Limits = declare.Limits{
		BodyBytes: 32 << 20, SamplesPerWrite: 500_000, LabelsPerSeries: 64, LabelNameBytes: 256, LabelValueBytes: 4096,
		ActiveSeries: 1_000_000, Future: 10 * time.Minute,
	}
	s.Host.Interval = 15 * time.Second
	s.OTLP.GRPC = "127.0.0.1:4317"
	s.Levels = declare.DefaultLevels()
	s.Runner.User = "nobody"
	s.Channels = defaultChannels()
	return s
}

// Read fills in what the file declares.
func Read(file string, data []byte, sink *declare.Problems) declare.Settings {
	s := Default()
	d, ok := yamldoc.One(file, data, sink)
	if !ok {
		return s
	}
	d.Only("external_url", "evaluation", "metrics", "logs", "traces", "limits", "host", "otlp", "levels", "hooks", "runner", "channels", "status_pages", "update_templates")
	for _, n := range d.Field("status_pages").List() {
		n.Only("system", "title", "public")
		p := declare.StatusPage{System: n.Field("system").Required("a system of the catalogue")}
		if t := n.Field("title"); !t.Missing() {
			p.Title = t.String()
		}
		if b := n.Field("public"); !b.Missing() {
			p.Public = b.Bool()
		}
		s.StatusPages = append(s.StatusPages, p)
	}
	s.UpdateTemplates = updateTemplates(d.Field("update_templates"))
	if n := d.Field("external_url"); !n.Missing() {
		s.ExternalURL = strings.TrimSuffix(n.String(), "/")
		if u, err := url.Parse(s.ExternalURL); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
			n.Problem(n.Text(), "a URL as https://evenkeel.example.org", "")
		}
	}
	ev := d.Field("evaluation")
	ev.Only("interval", "state_limit")
	size(ev.Field("state_limit"), &s.Evaluation.StateLimit, 16<<20)
	if n := ev.Field("interval"); !n.Missing() {
		duration(n, &s.Evaluation.Interval, 100*time.Millisecond, time.Hour)
		s.Evaluation.Spacing = s.Evaluation.Interval
	}
	m := d.Field("metrics")
	m.Only("retention", "retention_size", "out_of_order", "drop")
	duration(m.Field("retention"), &s.Metrics.Retention, time.Hour, 20*365*24*time.Hour)
	duration(m.Field("out_of_order"), &s.Metrics.OutOfOrder, 0, 7*24*time.Hour)
	size(m.Field("retention_size"), &s.Metrics.RetentionSize, 0)
	s.Metrics.Drop = seriesDrops(m)
	logs(d.Field("logs"), &s.Logs)
	traces(d.Field("traces"), &s.Traces)
	l := d.Field("limits")
	l.Only("body_bytes", "samples_per_write", "labels_per_series", "label_name_bytes", "label_value_bytes", "active_series", "future", "samples_per_source", "log_value_bytes", "log_fields", "log_streams", "log_bytes_per_source")
	size(l.Field("body_bytes"), &s.Limits.BodyBytes, 1<<10)
	count(l.Field("samples_per_write"), &s.Limits.SamplesPerWrite)
	count(l.Field("labels_per_series"), &s.Limits.LabelsPerSeries)
	count(l.Field("label_name_bytes"), &s.Limits.LabelNameBytes)
	count(l.Field("label_value_bytes"), &s.Limits.LabelValueBytes)
	count(l.Field("active_series"), &s.Limits.ActiveSeries)
	duration(l.Field("future"), &s.Limits.Future, 0, 24*time.Hour)
	var perSource int
	count(l.Field("samples_per_source"), &perSource)
	s.Limits.SamplesPerSource = int64(perSource)
	count(l.Field("log_value_bytes"), &s.Limits.LogValueBytes)
	count(l.Field("log_fields"), &s.Limits.LogFields)
	count(l.Field("log_streams"), &s.Limits.LogStreams)
	size(l.Field("log_bytes_per_source"), &s.Limits.LogBytesPerSource, 1<<10)
	h := d.Field("host")
	h.Only("enabled", "interval")
	if n := h.Field("enabled"); !n.Missing() {
		s.Host.Disabled = !n.Bool()
	}
	duration(h.Field("interval"), &s.Host.Interval, time.Second, time.Hour)
	o := d.Field("otlp")
	o.Only("grpc")
	if n := o.Field("grpc"); !n.Missing() {
		s.OTLP.GRPC = n.String()
		if _, port, err := net.SplitHostPort(s.OTLP.GRPC); s.OTLP.GRPC != "off" && (err != nil || port == "") {
			n.Problem(n.Text(), "an address as 127.0.0.1:4317, or off", "")
		}
	}
	s.Runner = runner(d.Field("runner"))
	s.Channels = channels(d.Field("channels"))
	if n := d.Field("levels"); !n.Missing() {
		s.Levels = levels(n)
	}
	s.Hooks = hooks(d.Field("hooks"))
	return s
}

func levels(n yamldoc.Node) []declare.Level {
	var out []declare.Level
	seen := map[string]bool{}
	for _, l := range n.List() {
		l.Only("name", "rank", "leader", "alone", "approve", "break_glass")
		name := l.Field("name").Required("the level's name")
		if seen[name] {
			l.Field("name").Problem(name, "each level once", "")
		}
		seen[name] = true
		level := declare.Level{
			Name: declare.LevelName(name), Alone: risk(l.Field("alone")), Approve: risk(l.Field("approve")),
			Leader: l.Field("leader").Bool(), BreakGlass: l.Field("break_glass").Bool(),
		}
		level.Rank = declare.RankOf(level.Name, level.Alone, level.Approve)
		if n := l.Field("rank"); !n.Missing() {
			if rank, ok := n.Int(); ok && rank >= declare.Trainee && rank <= declare.Distinguished {
				level.Rank = rank
			} else if ok {
				n.Problem(n.Text(), "a rank from 0 (trainee) to 6 (distinguished)", "")
			}
		}
		if len(out) > 0 && (level.Alone.Rank() < out[0].Alone.Rank() || level.Approve.Rank() < out[0].Approve.Rank()) {
			l.Problem(name, fmt.Sprintf("levels that may at least what the first one, %s, may", out[0].Name),
				"the first level is that of everybody who has none: put the lowest there")
		}
		out = append(out, level)
	}
	if len(out) == 0 {
		n.Problem("", "at least one level", "")
	}
	return out
}

func risk(n yamldoc.Node) declare.Risk {
	if n.Missing() {
		return declare.RiskNone
	}
	r := declare.Risk(n.String())
	if r.Rank() < 0 {
		n.Problem(n.Text(), "none, low, medium or high", yamldoc.Suggest(n.Text(), []string{"none", "low", "medium", "high"}))
		return declare.RiskNone
	}
	return r
}

func duration(n yamldoc.Node, into *time.Duration, least, most time.Duration) {
	d, ok := n.Duration()
	if !ok {
		return
	}
	if d < least || d > most {
		n.Problem(n.Text(), "a duration from "+least.String()+" to "+most.String(), "")
		return
	}
	*into = d
}

func count(n yamldoc.Node, into *int) {
	i, ok := n.Int()
	if !ok {
		return
	}
	if i < 1 {
		n.Problem(n.Text(), "a whole number of at least 1", "")
		return
	}
	*into = i
}

// size reads a number of bytes: 512MB and 10GiB count in powers of 1,024, as in
// Prometheus; a bare number is bytes.
func size(n yamldoc.Node, into *int64, least int64) {
	if n.Missing() {
		return
	}
	text := strings.TrimSpace(n.Text())
	b, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		var u units.Base2Bytes
		u, err = units.ParseBase2Bytes(text)
		b = int64(u)
	}
	switch {
	case err != nil || b < 0 || strings.HasPrefix(text, "-"):
		n.Problem(n.Text(), "a size as 512MB or 10GB", "")
	case b < least:
		n.Problem(n.Text(), fmt.Sprintf("a size of at least %d bytes", least), "")
	default:
		*into = b
	}
}
