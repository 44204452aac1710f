package act

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
)

// RunStatus of a run; the package comment draws the states.
type RunStatus string

// The states of a run.
const (
	RunRunning     RunStatus = "running"
	RunWaiting     RunStatus = "waiting"
	RunVerifying   RunStatus = "verifying"
	RunVerified    RunStatus = "verified"
	RunRollingBack RunStatus = "rolling-back"
	RunRolledBack  RunStatus = "rolled-back"
	RunFailed      RunStatus = "failed"
	RunCancelled   RunStatus = "cancelled"
	RunDone        RunStatus = "done" // every step is done, and there was nothing to verify it by
)

// Ended says whether nothing more will happen.
func (s RunStatus) Ended() bool {
	return s == RunVerified || s == RunDone || s == RunRolledBack || s == RunFailed || s == RunCancelled
}

// StepStatus of one step of a run.
type StepStatus string

// The states of a step.
const (
	StepPending     StepStatus = "pending"
	StepWaiting     StepStatus = "waiting" // for an approval
	StepRunning     StepStatus = "running"
	StepDone        StepStatus = "done"
	StepFailed      StepStatus = "failed"
	StepRefused     StepStatus = "refused"
	StepInterrupted StepStatus = "interrupted" // the server died in the middle; a person decides
	StepSkipped     StepStatus = "skipped"
)

// Run is one execution of a runbook. It keeps the runbook's source as it was when
// it started: what was approved is what runs.
type Run struct {
	ID        string                `json:"id"`
	Runbook   string                `json:"runbook"`
	Title     string                `json:"title"`
	Service   declare.ServiceID     `json:"service,omitempty"`
	Incident  int64                 `json:"incident,omitempty"`
	Objective declare.ObjectiveName `json:"objective,omitempty"` // which verifies it
	Params    map[string]string     `json:"params"`
	Actor     journal.Actor         `json:"actor"`
	Status    RunStatus             `json:"status"`
	Reason    string                `json:"reason,omitempty"` // why it is in this state, in words
	Change    string                `json:"change,omitempty"`
	StartedAt time.Time             `json:"started_at"`
	EndedAt   time.Time             `json:"ended_at,omitzero"`
	VerifyBy  time.Time             `json:"verify_by,omitzero"` // verification gives up then
	Steps     []RunStep             `json:"steps"`
	Approvals []Approval            `json:"approvals,omitempty"`
	Fact      journal.ID            `json:"fact"` // run.started
	Source    []byte                `json:"-"`

	TakenBy     declare.PersonID `json:"taken_by,omitempty"`    // who goes on with it, where the one who started may not
	BreakGlass  string           `json:"break_glass,omitempty"` // the reason, when approvals were not waited for
	Mode        RunMode          `json:"mode,omitempty"`
	Parent      string           `json:"parent,omitempty"` // the run that it is a step of
	ParentStep  int              `json:"parent_step,omitempty"`
	Minutes     int              `json:"minutes,omitempty"`  // of people's work, as they said
	Locks       []string         `json:"locks,omitempty"`    // what it holds now
	Baseline    string           `json:"baseline,omitempty"` // how the objective stood before, in words
	Token       string           `json:"-"`                  // with which it was started
	Asked       declare.PersonID `json:"-"`                  // whose wish it was, beside the one who started it
	Fault       string           `json:"fault,omitempty"`    // which a rehearsal is against
	FaultAt     time.Time        `json:"fault_at,omitzero"`
	ShownAt     time.Time        `json:"shown_at,omitzero"` // when the objective showed it
	FaultOverAt time.Time        `json:"fault_over_at,omitzero"`
	Print       string           `json:"-"` // of the runbook and its components, as they were
}

// Doer is who runs its steps now.
func (r *Run) Doer() declare.PersonID {
	if r.TakenBy != "" {
		return r.TakenBy
	}
	return declare.PersonID(r.Actor.Name())
}

// RunMode says how much of a run is real.
type RunMode string

// The modes of a run.
const (
	ModeReal      RunMode = ""
	ModeDry       RunMode = "dry"       // looks, and says what it would do
	ModeRehearsal RunMode = "rehearsal" // against a simulated fault, or dry: nothing real is altered
)

// Ref is how facts name it.
func (r *Run) Ref() journal.Ref { return journal.MakeRef("run", r.ID) }

// RunStep is one step of a run. Output is capped and has no secrets of ours.
type RunStep struct {
	Index     int           `json:"index"`
	Name      string        `json:"name"`
	Language  string        `json:"language"`
	Risk      declare.Risk  `json:"risk"`
	Class     declare.Class `json:"class,omitempty"`
	Rollback  bool          `json:"rollback,omitempty"`
	Status    StepStatus    `json:"status"`
	Attempt   int           `json:"attempt"`
	Body      string        `json:"body"`  // as written
	Shown     string        `json:"shown"` // with the parameters that it gets, for the approver
	Output    string        `json:"output,omitempty"`
	Detail    string        `json:"detail,omitempty"` // exit code, status, value; why it failed
	StartedAt time.Time     `json:"started_at,omitzero"`
	EndedAt   time.Time     `json:"ended_at,omitzero"`
}

// Approval is a question to somebody else whether a step may run, and the answer.
// It is bound to what was shown: a hash of the step's body and parameters.
type Approval struct {
	ID          int64         `json:"id"`
	Run         string        `json:"run"`
	Step        int           `json:"step"`
	Risk        declare.Risk  `json:"risk"`
	ShownHash   string        `json:"shown_hash"`
	RequestedBy journal.Actor `json:"requested_by"`
	RequestedAt time.Time     `json:"requested_at"`
	Class       declare.Class `json:"class,omitempty"`
	Part        string        `json:"part,omitempty"`     // whose approval it takes, in words
	Evidence    string        `json:"evidence,omitempty"` // what is known beside the step: checks, dry run, rollback, budget
	Voice       bool          `json:"voice,omitempty"`    // DecidedBy said it, RecordedBy wrote it down
	RecordedBy  journal.Actor `json:"recorded_by,omitempty"`
	Decision    string        `json:"decision,omitempty"` // "", approved, refused, expired
	DecidedBy   journal.Actor `json:"decided_by,omitempty"`
	DecidedAt   time.Time     `json:"decided_at,omitzero"`
	Reason      string        `json:"reason,omitempty"`
}

// Answer is a question for an approval and what came of it, for whoever measures: of
// actions, not of people.
type Answer struct {
	Run       string            `json:"run"`
	Runbook   string            `json:"runbook"`
	Service   declare.ServiceID `json:"service,omitempty"`
	Step      int               `json:"step"`
	Name      string            `json:"name"` // of the step
	Class     declare.Class     `json:"class"`
	AskedAt   time.Time         `json:"asked_at"`
	Decision  string            `json:"decision"` // approved, refused, expired
	DecidedAt time.Time         `json:"decided_at"`
	Reason    string            `json:"reason,omitempty"`
	Voice     bool              `json:"voice,omitempty"`
}

// Waited is how long people waited for it; never less than nothing, whatever clocks do.
func (a *Answer) Waited() time.Duration { return max(a.DecidedAt.Sub(a.AskedAt), 0) }

// StartRun is a wish to run a runbook.
type StartRun struct {
	Runbook  string            `json:"runbook"`
	Params   map[string]string `json:"params"`
	Incident int64             `json:"incident,omitempty"`
	Mode     RunMode           `json:"mode,omitempty"`
	// BreakGlass is the reason not to wait for approvals; few may.
	BreakGlass string `json:"break_glass,omitempty"`
	// Token is the ID of the token that asks, "" for a session: revoked, it stops the run.
	Token string `json:"-"`
	// Service says that the token is a program's.
	Service bool `json:"-"`
	// Asked is somebody beside who: whose wish it was (a request's author). They may not
	// approve it either. Optional.
	Asked declare.PersonID `json:"-"`
	// ID is what the run is to be called; left out, a name is made up.
	ID string `json:"-"`
}

// RunFilter selects runs, newest first. Zero fields do not restrict. Limit 0 means 100.
type RunFilter struct {
	Active   bool // not ended
	Waiting  bool // for an approval or a decision
	Incident int64
	Runbook  string
	Limit    int
	Offset   int
}

// Runs runs runbooks. Acts return ErrNotFound, *InvalidError, *ConflictError or
// *DeniedError; they return once the act is stored, not once the run has ended.
type Runs interface {
	Start(ctx context.Context, now time.Time, who declare.PersonID, s StartRun) (Run, error)
	// Decide answers the open approval of a step. shownHash is that of the
	// Approval that the person saw.
	Decide(ctx context.Context, now time.Time, who declare.PersonID, run string, step int, approve bool, shownHash, reason string) (Run, error)
	// Continue decides on an interrupted step: run it again, or skip it.
	Continue(ctx context.Context, now time.Time, who declare.PersonID, run string, step int, retry bool) (Run, error)
	Cancel(ctx context.Context, now time.Time, who declare.PersonID, run, reason string) (Run, error)
	List(ctx context.Context, f RunFilter) ([]Run, error) // without outputs
	Get(ctx context.Context, id string) (Run, error)
}
