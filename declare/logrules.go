package declare

import "time"

// LogGroup is a group of rules over logs: type vlogs in a rule file, as vmalert reads it.
type LogGroup struct {
	Name     string
	File     string
	Interval time.Duration // default 1m
	Rules    []LogRule
}

// LogRule records what a LogsQL stats query gives, or alerts for each of its results.
type LogRule struct {
	Record, Alert string // one of them
	Expr          string // LogsQL that ends in a stats pipe, maybe with filters behind it
	For           time.Duration
	Labels        map[string]string
	Annotations   map[string]string
	Pos           Position
}

// LogCount is log lines that are counted as they come, for an objective: the series
// log_events_total{filter="ID"}.
type LogCount struct {
	ID     string // of the filter
	Filter string // LogsQL without pipes
}

// LogEvents is the name of the series that LogCounts make.
const LogEvents = "log_events_total"
