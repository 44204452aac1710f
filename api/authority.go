package api

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/authority"
	runner "github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
)

// Guide says who may do what of runbooks, and keeps the exceptions; *runbook.Runner is one.
type Guide interface {
	Can(ctx context.Context, now time.Time, who declare.PersonID, s act.StartRun) ([]runner.StepVerdict, error)
	Take(ctx context.Context, now time.Time, who declare.PersonID, run string) (act.Run, error)
	Voice(ctx context.Context, now time.Time, who, commander declare.PersonID, run string, step int, hash, words string) (act.Run, error)
	Tick(ctx context.Context, now time.Time, who declare.PersonID, run string, step int, done bool, minutes int, note string) (act.Run, error)
	Duties(ctx context.Context, all bool) ([]act.Duty, error)
	Fulfil(ctx context.Context, now time.Time, who declare.PersonID, id int64, verdict, text string) (act.Duty, error)
	Certificate(ctx context.Context, who declare.PersonID, book *declare.Runbook, now time.Time) (authority.Certificate, error)
	Upkeep(ctx context.Context, now time.Time, books []*declare.Runbook, paging []runner.Paging) ([]runner.Upkeep, error)
	// Answered are the questions for an approval that were asked in a time, and what came of them.
	Answered(ctx context.Context, from, to time.Time) ([]act.Answer, error)
	Read(ctx context.Context, now time.Time, who declare.PersonID, runbook string) error
	Vote(ctx context.Context, now time.Time, who declare.PersonID, run string, useful bool, note string) error
	CloseBreaker(ctx context.Context, now time.Time, who declare.PersonID, runbook, why string) error
}

// Loans are what people have lent to each other; *account.Book keeps them.
type Loans interface {
	Lend(ctx context.Context, now time.Time, who declare.PersonID, l account.Loan) (account.Loan, error)
	Loans(ctx context.Context, now time.Time, all bool) ([]account.Loan, error)
	EndLoan(ctx context.Context, now time.Time, who act.Identity, id int64) error
}

// authorityRoutes are the lines of the table that this file serves.
func (s *server) authorityRoutes() []route {
	return append(s.upkeepRoutes(), []route{
		send(post, "/runbooks/{runbook}/can", "What somebody may do of a runbook, step by step, and why; whose approval each step takes.", ok, s.can),
		send(post, "/runs/{run}/take", "Go on in your own name with a run that waits for somebody who may.", ok, s.take),
		send(post, "/runs/{run}/steps/{step}/voice", "Write down that the commander of the run's incident approved a step by voice.", ok, s.voice),
		send(post, "/runs/{run}/steps/{step}/tick", "Say that a step by hand has been done, or could not be.", ok, s.tick),
		get("/duties", "What is owed after exceptions: records of spoken approvals, reviews of broken glass.", s.duties),
		send(post, "/duties/{duty}", "Do a duty: confirm or dispute what you approved by voice; say whether the broken glass was right.", ok, s.fulfil),
		get("/loans", "Authority to approve that is lent, newest first.", s.loans),
		send(post, "/loans", "Lend your authority to approve for a time.", created, s.lend),
		remove("/loans/{loan}", "Take back what was lent.", s.endLoan),
	}...)
}

// Can asks what somebody may do of a runbook.
type Can struct {
	Person     declare.PersonID  `json:"person,omitempty" doc:"You when absent."`
	Params     map[string]string `json:"params,omitempty"`
	Incident   int64             `json:"incident,omitempty"`
	Mode       act.RunMode       `json:"mode,omitempty" doc:"dry or rehearsal; absent for a real run."`
	BreakGlass string            `json:"break_glass,omitempty" doc:"The reason, to see what breaking the glass would allow."`
}

// MayDo is what somebody may do of a runbook.
type MayDo struct {
	Person      declare.PersonID      `json:"person"`
	Level       declare.LevelName     `json:"level"`
	Runbook     string                `json:"runbook"`
	Certificate authority.Certificate `json:"certificate"`
	Steps       []runner.StepVerdict  `json:"steps"`
}

func (s *server) can(c *call, in Can) (MayDo, error) {
	name := c.PathValue("runbook")
	book := s.Workspace().Runbook(name)
	if book == nil {
		return MayDo{}, unknown("runbook", name, "GET "+Root+"/runbooks lists them.")
	}
	who := in.Person
	if who == "" {
		who = c.me.Person
	}
	steps, err := s.Guide.Can(c.Context(), c.now, who, act.StartRun{Runbook: name, Params: in.Params, Incident: in.Incident, Mode: in.Mode, BreakGlass: in.BreakGlass})
	if err != nil {
		return MayDo{}, err
	}
	cert, err := s.Guide.Certificate(c.Context(), who, book, c.now)
	return MayDo{Person: who, Level: s.Workspace().LevelOf(who).Name, Runbook: name, Certificate: cert, Steps: filled(steps)}, err
}

func (s *server) take(c *call, _ none) (act.Run, error) {
	r, err := s.Guide.Take(c.Context(), c.now, c.me.Person, c.PathValue("run"))
	return run(r), err
}

// Voice is a spoken approval, written down.
type Voice struct {
	Commander declare.PersonID `json:"commander" doc:"Who said it: they owe the record in writing within a day."`
	ShownHash string           `json:"shown_hash" doc:"That of the approval that you read out."`
	Words     string           `json:"words" doc:"What was said."`
}

func (s *server) voice(c *call, in Voice) (act.Run, error) {
	step, err := c.number("step")
	if err != nil {
		return act.Run{}, err
	}
	r, err := s.Guide.Voice(c.Context(), c.now, c.me.Person, in.Commander, c.PathValue("run"), int(step), in.ShownHash, in.Words)
	return run(r), err
}

// Ticking says what became of a step by hand.
type Ticking struct {
	Failed  bool   `json:"failed,omitempty" doc:"It could not be done."`
	Minutes int    `json:"minutes,omitempty" doc:"Of work that it took."`
	Note    string `json:"note,omitempty"`
}

func (s *server) tick(c *call, in Ticking) (act.Run, error) {
	step, err := c.number("step")
	if err != nil {
		return act.Run{}, err
	}
	r, err := s.Guide.Tick(c.Context(), c.now, c.me.Person, c.PathValue("run"), int(step), !in.Failed, in.Minutes, in.Note)
	return run(r), err
}

type owedQuery struct {
	All bool `query:"all" doc:"Those that are done too."`
}

func (s *server) duties(c *call, q owedQuery) (List[act.Duty], error) {
	found, err := s.Guide.Duties(c.Context(), q.All)
	return listOf(found), err
}

// Fulfilment does a duty.
type Fulfilment struct {
	Verdict string `json:"verdict" doc:"Of a spoken approval confirmed or disputed; of broken glass right or wrong."`
	Text    string `json:"text" doc:"The record."`
}

func (s *server) fulfil(c *call, in Fulfilment) (act.Duty, error) {
	id, err := c.number("duty")
	if err != nil {
		return act.Duty{}, err
	}
	return s.Guide.Fulfil(c.Context(), c.now, c.me.Person, id, in.Verdict, in.Text)
}

func (s *server) loans(c *call, q owedQuery) (List[account.Loan], error) {
	found, err := s.Loans.Loans(c.Context(), c.now, q.All)
	return listOf(found), err
}

// Lending lends authority to approve.
type Lending struct {
	Borrower declare.PersonID `json:"borrower"`
	Upto     declare.Class    `json:"upto,omitempty" doc:"No further than this class, A2 to A6; A5 when absent."`
	Duration string           `json:"duration" doc:"As 12h or 14d, at most 30d."`
	Reason   string           `json:"reason"`
}

func (s *server) lend(c *call, in Lending) (account.Loan, error) {
	d, err := model.ParseDuration(in.Duration)
	if err != nil || d <= 0 {
		return account.Loan{}, invalid("duration", in.Duration, "a time as 12h or 14d")
	}
	if in.Upto == "" {
		in.Upto = declare.Heavy
	}
	if s.Workspace().Person(in.Borrower) == nil {
		return account.Loan{}, invalid("borrower", string(in.Borrower), "somebody of the catalogue")
	}
	if c.me.Service || c.me.Token != "" && len(c.me.Scopes) > 0 {
		return account.Loan{}, &act.DeniedError{Why: "only a person lends their authority"}
	}
	return s.Loans.Lend(c.Context(), c.now, c.me.Person, account.Loan{Borrower: in.Borrower, Upto: in.Upto, Reason: strings.TrimSpace(in.Reason), EndsAt: c.now.Add(time.Duration(d))})
}

func (s *server) endLoan(c *call, _ none) (none, error) {
	id, err := c.number("loan")
	if err != nil {
		return none{}, err
	}
	return none{}, s.Loans.EndLoan(c.Context(), c.now, c.me, id)
}
