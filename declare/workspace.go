package declare

import (
	"time"

	amconfig "github.com/prometheus/alertmanager/config"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// Workspace is everything declared, valid and immutable. Slices are sorted by
// name; the lookup methods return nil for what is not there.
type Workspace struct {
	Dir        string // absolute
	Revision   string // hash of all files read, hexadecimal
	LoadedAt   time.Time
	Settings   Settings
	Services   []*Service
	Resources  []*Resource
	Systems    []*System
	Teams      []*Team
	People     []*Person
	Objectives []*Objective
	RuleFiles  []*RuleFile
	Routing    *amconfig.Config // never nil: the default sends nothing anywhere
	RoutingYML []byte
	Scrape     []*promconfig.ScrapeConfig
	Runbooks   []*Runbook
	Schedules  []*Schedule
	Gate       GatePolicy
	Requests   []*RequestItem
	Blueprints []*Blueprint
	Dashboards []*Dashboard
	// Escalations say whom an incident reaches, step by step.
	Escalations []*Escalation
	Problems    Problems // warnings only
}

// RuleFile is a Prometheus rule file. Tests is the promtool unit-test file beside
// it, "" when there is none.
type RuleFile struct {
	Path   string // relative to the workspace
	Groups *rulefmt.RuleGroups
	Logs   []LogGroup // groups of type vlogs; then Groups is empty
	Source []byte
	Tests  string
}

// StatusPage says what of a system those outside may see.
type StatusPage struct {
	System string // of the catalog
	Title  string // default: the system's
	Public bool   // without a sign-in
}

// Settings is evenkeel.yml. The zero value of each field means its default, which
// declare/settings fills in.
type Settings struct {
	StatusPages []StatusPage
	// UpdateTemplates are first wordings of status updates, by phase; a phase without one
	// has ours. {services}, {since} and {until} stand for what is known.
	UpdateTemplates map[string]string
	ExternalURL     string // how people reach this server; default http:// and the listen address
	Evaluation      struct {
		Interval time.Duration // of objectives and of rule groups without an own one; default 1s
		// Spacing is how far apart samples are, at most, for the shortest windows that
		// make sense: the interval where the workspace sets one, else 15s.
		Spacing time.Duration
		// StateLimit is how many bytes the windows of all expressions may take; 0 for what
		// the engine has by itself, 2 GiB.
		StateLimit int64
	}
	Metrics struct {
		Retention     time.Duration // default 30d
		RetentionSize int64         // bytes, 0 no limit
		OutOfOrder    time.Duration // default 10m
		Drop          []SeriesDrop
	}
	Logs   LogSettings
	Traces TraceSettings
	Limits Limits
	Host   struct {
		Disabled bool          // do not collect this machine's own metrics
		Interval time.Duration // default 15s
	}
	OTLP struct {
		GRPC string // listen address of OTLP/gRPC; default 127.0.0.1:4317, "off" for none
	}
	// Channels are how messages to people leave.
	Channels Channels
	Levels   []Level
	Runner   Runner
	Hooks    map[string]Hook // by source, as github
}

// SeriesDrop keeps series out of the store.
type SeriesDrop struct {
	Name  string
	Match string // a selector, as {__name__=~"go_.*"}
}

// Limits bound what comes from outside. See docs/observe.md for the defaults.
type Limits struct {
	BodyBytes        int64         // one request, after decompression; default 32 MiB
	SamplesPerWrite  int           // default 500,000
	LabelsPerSeries  int           // default 64
	LabelNameBytes   int           // default 256
	LabelValueBytes  int           // default 4,096
	ActiveSeries     int           // in the head; a new series beyond it is refused; default 1,000,000
	Future           time.Duration // samples further ahead of the clock are refused; default 10m
	SamplesPerSource int64         // a second, of one sender; default 0, no limit

	LogValueBytes     int   // a longer value of a log field is cut; default 256 KiB
	LogFields         int   // of one row; default 256
	LogStreams        int   // a day; default 50,000
	LogBytesPerSource int64 // a second, of one sender; default 0, no limit
}

func find[T any, K comparable](all []*T, key K, of func(*T) K) *T {
	for _, v := range all {
		if of(v) == key {
			return v
		}
	}
	return nil
}

// Service returns the service of that name, or nil.
func (w *Workspace) Service(id ServiceID) *Service {
	return find(w.Services, id, func(s *Service) ServiceID { return s.ID })
}

// Team returns the team of that name, or nil.
func (w *Workspace) Team(id TeamID) *Team {
	return find(w.Teams, id, func(t *Team) TeamID { return t.ID })
}

// Person returns the person of that name, or nil.
func (w *Workspace) Person(id PersonID) *Person {
	return find(w.People, id, func(p *Person) PersonID { return p.ID })
}

// Objective returns the objective of that name, or nil.
func (w *Workspace) Objective(name ObjectiveName) *Objective {
	return find(w.Objectives, name, func(o *Objective) ObjectiveName { return o.Name })
}

// Runbook returns the runbook of that name, or nil.
func (w *Workspace) Runbook(name string) *Runbook {
	return find(w.Runbooks, name, func(r *Runbook) string { return r.Name })
}

// Level returns the level of that name and whether it is declared.
func (w *Workspace) Level(name LevelName) (Level, bool) {
	for _, l := range w.Settings.Levels {
		if l.Name == name {
			return l, true
		}
	}
	return Level{}, false
}

// LevelOf is the level of a person. Somebody whom the catalogue does not know, or
// knows without a level, has the first (lowest) declared level.
func (w *Workspace) LevelOf(id PersonID) Level {
	if p := w.Person(id); p != nil {
		if l, ok := w.Level(p.Level); ok {
			return l
		}
	}
	if len(w.Settings.Levels) > 0 {
		return w.Settings.Levels[0]
	}
	return Level{Name: "trainee", Alone: RiskNone, Approve: RiskNone}
}

// ObjectivesOf returns the objectives of a service.
func (w *Workspace) ObjectivesOf(id ServiceID) []*Objective {
	var out []*Objective
	for _, o := range w.Objectives {
		if o.Service == id {
			out = append(out, o)
		}
	}
	return out
}

// Distances returns how many dependsOn steps lie between a service and each thing
// that it depends on, itself at 0. Cycles are harmless.
func (w *Workspace) Distances(from ServiceID) map[ResourceID]int {
	next := map[ResourceID][]ResourceID{}
	for _, s := range w.Services {
		next[s.Resource()] = s.DependsOn
	}
	for _, r := range w.Resources {
		next[r.ID] = r.DependsOn
	}
	start := ResourceID("component/default/" + string(from))
	dist := map[ResourceID]int{start: 0}
	for queue := []ResourceID{start}; len(queue) > 0; queue = queue[1:] {
		for _, r := range next[queue[0]] {
			if _, seen := dist[r]; !seen {
				dist[r] = dist[queue[0]] + 1
				queue = append(queue, r)
			}
		}
	}
	return dist
}
