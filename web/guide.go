package web

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/act/runbook"
	"github.com/evenkeel/evenkeel/declare"
)

// Guide says who may do what of runbooks, and keeps the exceptions; *runbook.Runner is one.
type Guide interface {
	// Can answers for every step of a runbook, were it started now.
	Can(ctx context.Context, now time.Time, who declare.PersonID, s act.StartRun) ([]runbook.StepVerdict, error)
	// MayApprove answers for the open question of a step.
	MayApprove(ctx context.Context, now time.Time, who declare.PersonID, run *act.Run, step int) authority.Verdict
	// MayRun answers for a step of a run, were it theirs.
	MayRun(ctx context.Context, now time.Time, who declare.PersonID, run *act.Run, step int) authority.Verdict
	// Take hands a run that waits to somebody who goes on with it.
	Take(ctx context.Context, now time.Time, who declare.PersonID, run string) (act.Run, error)
	// Voice writes down that the incident's commander approved a step by voice.
	Voice(ctx context.Context, now time.Time, who, commander declare.PersonID, run string, step int, hash, words string) (act.Run, error)
	// Tick says what became of a step by hand.
	Tick(ctx context.Context, now time.Time, who declare.PersonID, run string, step int, done bool, minutes int, note string) (act.Run, error)
	// Duties are what is owed after an exception.
	Duties(ctx context.Context, all bool) ([]act.Duty, error)
	Fulfil(ctx context.Context, now time.Time, who declare.PersonID, id int64, verdict, text string) (act.Duty, error)
	// Upkeep is which runbooks to look at, and what pages without one.
	Upkeep(ctx context.Context, now time.Time, books []*declare.Runbook, paging []runbook.Paging) ([]runbook.Upkeep, error)
	// Answered are the questions for an approval that were asked in a time, and what came of them.
	Answered(ctx context.Context, from, to time.Time) ([]act.Answer, error)
	Read(ctx context.Context, now time.Time, who declare.PersonID, name string) error
	Vote(ctx context.Context, now time.Time, who declare.PersonID, run string, useful bool, note string) error
	CloseBreaker(ctx context.Context, now time.Time, who declare.PersonID, name, why string) error
	// Certificate is what somebody has earned for a runbook.
	Certificate(ctx context.Context, who declare.PersonID, book *declare.Runbook, now time.Time) (authority.Certificate, error)
}
