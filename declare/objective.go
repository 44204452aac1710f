package declare

import "time"

// ObjectiveName is metadata.name of an OpenSLO SLO; a second objective of the same
// SLO gets the suffix -2, and so on.
type ObjectiveName string

// Budgeting is how bad service is counted against the budget.
type Budgeting string

// The budgeting methods of OpenSLO v1.
const (
	Occurrences     Budgeting = "Occurrences"     // bad events over all events
	Timeslices      Budgeting = "Timeslices"      // bad slices of time over all slices
	RatioTimeslices Budgeting = "RatioTimeslices" // mean of the slices' ratios
)

// Objective is what a service owes its users. Exactly one of Ratio and Threshold
// is set.
type Objective struct {
	Name        ObjectiveName
	Title       string
	Description string
	Service     ServiceID
	Target      float64 // share of good, in (0, 1)
	Window      Window
	Method      Budgeting
	SliceTarget float64       // Timeslices: share of good that makes a slice good
	SliceWindow time.Duration // Timeslices and RatioTimeslices
	Ratio       *Ratio
	Threshold   *Threshold
	Parts       []Part        // of a composite, which has neither Ratio nor Threshold
	AllHold     bool          // a composite's slice is good only where it is good in every part
	PartOf      ObjectiveName // the composite that this is a part of; "" for most
	MinEvents   float64       // annotation evenkeel.dev/minimum-events: events in a long window below which nothing fires; default 10
	Runbook     string        // annotation evenkeel.dev/runbook
	Labels      map[string]string
	Annotations map[string]string
	Pos         Position
}

// Budget is 1 - Target: the share of bad that is allowed.
func (o *Objective) Budget() float64 { return 1 - o.Target }

// Window is the time over which the budget is counted. A rolling window ends now
// and is Length long. A calendar window starts at Start, in Location, and repeats
// every Count Units; Length is then its nominal length (a month 30 days).
type Window struct {
	Text     string // as declared: 30d, 1M
	Length   time.Duration
	Calendar bool
	Start    time.Time
	Location *time.Location
	Count    int
	Unit     byte // m h d w M Q Y
}

// Ratio counts events. Total and one of Good and Bad are PromQL selectors or
// expressions over counters (Counter) or over gauges that count events per
// sample. Raw is a ready ratio in [0,1]; then Total, Good and Bad are empty.
type Ratio struct {
	Counter          bool
	Good, Bad, Total string
	Raw              string
	RawGood          bool       // Raw is the share of good, not of bad
	Logs             []LogCount // what the queries count, where they count log lines
}

// Threshold compares a query's value at each evaluation: good when value Op Value.
type Threshold struct {
	Query string
	Op    string // lt lte gt gte
	Value float64
}

// Part is what a composite is made of: one indicator of a journey over several services.
type Part struct {
	Objective *Objective
	Weight    float64 // above 0
}

// Composite says whether an objective is made of others.
func (o *Objective) Composite() bool { return len(o.Parts) > 0 }
