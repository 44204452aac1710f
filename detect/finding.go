package detect

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// Severity says what a finding asks for: a person now, a person's queue, nobody.
type Severity string

// The severities. An unknown word in a rule's severity label is kept as a label;
// SeverityOf says what it counts as.
const (
	Page   Severity = "page"
	Ticket Severity = "ticket"
	Info   Severity = "info"
)

// SeverityOf maps the words of the field on ours: critical and page are Page;
// warning, ticket and an unknown or missing word are Ticket; info and none are Info.
func SeverityOf(label string) Severity {
	switch label {
	case "page", "critical":
		return Page
	case "info", "none":
		return Info
	}
	return Ticket
}

// Fingerprint identifies a finding over its episodes: a hash of the detector and
// all labels, as 16 hexadecimal digits.
type Fingerprint string

// MakeFingerprint hashes a detector's name and the identity labels: FNV-1a, 64 bits.
func MakeFingerprint(detector string, labels map[string]string) Fingerprint {
	const prime = 1099511628211
	h := uint64(14695981039346656037)
	add := func(s string) {
		for i := range len(s) {
			h = (h ^ uint64(s[i])) * prime
		}
	}
	var buf [32]string
	keys := buf[:0]
	for k := range labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	add(detector)
	for _, k := range keys {
		h = (h ^ 0xff) * prime
		add(k)
		h = (h ^ 0xff) * prime
		add(labels[k])
	}
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], h)
	return Fingerprint(hex.EncodeToString(sum[:]))
}

// The detectors of this program.
const (
	DetectorObjective  = "objective"  // a burning error budget
	DetectorRule       = "rule"       // a Prometheus alerting rule
	DetectorLogs       = "logs"       // an alerting rule over logs
	DetectorPattern    = "pattern"    // a log pattern of errors that is new, or far more frequent
	DetectorTelemetry  = "telemetry"  // telemetry that has stopped, is missing, or is never used
	DetectorWorkspace  = "workspace"  // a workspace that is not valid
	DetectorCoverage   = "coverage"   // nobody is on call at a time to come
	DetectorReach      = "reach"      // somebody cannot be paged, or nobody answered
	DetectorDependency = "dependency" // what is called differs from what is declared
	DetectorSelf       = "self"       // the program's own failures
	DetectorAlert      = "alert"      // an alert sent to the Alertmanager API by somebody else
)

// AnnotationResolved says why a finding was resolved, where it is not that the
// condition was seen to hold no more.
const AnnotationResolved = "resolved_because"

// Finding is one difference between what is declared and what is observed.
type Finding struct {
	ID          int64                 `json:"id"`
	Fingerprint Fingerprint           `json:"fingerprint"`
	Detector    string                `json:"detector"`
	Name        string                `json:"name"` // alertname
	Service     declare.ServiceID     `json:"service,omitempty"`
	Team        declare.TeamID        `json:"team,omitempty"`
	Objective   declare.ObjectiveName `json:"objective,omitempty"`
	Severity    Severity              `json:"severity"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Runbook     string                `json:"runbook,omitempty"` // name of a runbook, or a URL
	Expr        string                `json:"expr,omitempty"`    // the query that made it
	Value       float64               `json:"value"`             // the query's value when it opened
	Labels      map[string]string     `json:"labels"`            // alertname and severity among them
	Annotations map[string]string     `json:"annotations,omitempty"`
	Since       time.Time             `json:"since"`     // the condition began to hold (ActiveAt)
	OpenedAt    time.Time             `json:"opened_at"` // it became a finding
	SeenAt      time.Time             `json:"seen_at"`   // last confirmed
	ResolvedAt  time.Time             `json:"resolved_at,omitzero"`
	Incident    int64                 `json:"incident,omitempty"`
	Fact        journal.ID            `json:"fact"` // finding.opened
}

// Open says whether the finding still holds.
func (f *Finding) Open() bool { return f.ResolvedAt.IsZero() }

// Ref is how facts name it.
func (f *Finding) Ref() journal.Ref { return journal.MakeRef("finding", fmt.Sprint(f.ID)) }

// Sink takes findings on their way to people: those opened, refreshed or resolved.
// It MUST be safe to call again with the same findings. It MUST NOT keep the slice.
type Sink func(ctx context.Context, findings []Finding) error

// Filter selects findings. Zero fields do not restrict; newest first. Limit 0 means 200.
type Filter struct {
	Open     *bool
	Service  declare.ServiceID
	Severity Severity
	Detector string
	Incident int64
	Text     string // part of name or summary
	Limit    int
	Offset   int
}

// Findings is the book of findings, as pages, API and other rooms use it.
type Findings interface {
	// Observe takes what a detector saw: each finding with its labels, and either
	// a zero ResolvedAt (it holds) or the time when it stopped to hold.
	// It opens, refreshes or resolves, writes the facts, then calls the Sink.
	Observe(ctx context.Context, now time.Time, seen []Finding) error
	List(ctx context.Context, f Filter) (found []Finding, total int, err error)
	// Get returns ErrNotFound for an ID that is not there.
	Get(ctx context.Context, id int64) (Finding, error)
}

// ErrNotFound is returned for a finding that is not there.
var ErrNotFound = fmt.Errorf("no such finding")

// Title is what the finding says in one line.
func (f *Finding) Title() string {
	if f.Summary != "" {
		return f.Summary
	}
	if f.Service != "" {
		return fmt.Sprintf("%s on %s", f.Name, f.Service)
	}
	return f.Name
}
