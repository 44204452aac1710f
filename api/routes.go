package api

import (
	"net/http"
	"slices"

	"github.com/evenkeel/evenkeel/respond"
)

const (
	post = http.MethodPost
	put  = http.MethodPut

	ok      = http.StatusOK
	created = http.StatusCreated
	quiet   = http.StatusNoContent
)

// routes is the table that both the handlers and the OpenAPI document come from.
func (s *server) routes() []route {
	return slices.Concat(s.requestRoutes(), s.reachRoutes(), s.authorityRoutes(), s.onCallRoutes(), s.deskRoutes(), s.outcomeRoutes(), s.statusPageRoutes(), s.traceRoutes(), s.dashboardRoutes(), s.viewRoutes(), []route{
		get("/whoami", "Who is asking, and what they may do.", s.whoami),
		get("/status", "The server at a glance: what needs somebody, how long it runs, what it keeps.", s.status),
		get("/workspace", "What is declared, and what is wrong with it.", s.workspace),
		raw("/openapi.json", "This document.", "application/json", s.openapi),

		get("/services", "All services with how they stand.", s.services),
		get("/services/{service}", "One service.", s.service),
		get("/teams", "All teams.", s.teams),
		get("/people", "Everybody of the catalog.", s.people),
		get("/objectives", "All objectives with budget and burn rate.", s.objectives),
		get("/objectives/{objective}", "One objective.", s.objective),
		get("/objectives/{objective}/budget", "How its error budget stands: burn rates over all windows, when it runs out, and on what it was spent.", s.budget),
		get("/findings", "Findings, newest first.", s.findings),
		get("/findings/{finding}", "One finding.", s.finding),

		get("/incidents", "Incidents, newest first.", s.incidents),
		get("/incidents/{incident}", "One incident.", s.incident),
		get("/incidents/{incident}/timeline", "All facts on an incident, oldest first.", s.incidentTimeline),
		get("/incidents/{incident}/suspects", "What most likely caused it, best first.", s.incidentSuspects),
		send(post, "/incidents/{incident}/suspects/{rank}/verdict", "Say whether a suspect was the cause; later rankings weigh it.", ok, s.judgeSuspect),
		get("/incidents/{incident}/notifications", "Whom it tried to reach.", s.incidentNotifications),
		send(post, "/incidents/{incident}/acknowledge", "Say that you work on it.", ok, s.move(respond.Acknowledge)),
		send(post, "/incidents/{incident}/mitigate", "Say that users are served again.", ok, s.move(respond.Mitigate)),
		send(post, "/incidents/{incident}/resolve", "Say that the work is done.", ok, s.move(respond.Resolve)),
		send(post, "/incidents/{incident}/assign", "Give it to somebody.", ok, s.assign),
		send(post, "/incidents/{incident}/notes", "Add a line to its timeline.", quiet, s.note),

		get("/incidents/{incident}/review", "The review of an incident.", s.review),
		raw("/incidents/{incident}/review.md", "The review as Markdown.", "text/markdown", s.reviewMarkdown),
		send(post, "/incidents/{incident}/review", "Draft the review from the journal; one that is there stays.", ok, s.draftReview),
		send(put, "/incidents/{incident}/review", "Save the review, or publish it.", ok, s.saveReview),
		send(post, "/incidents/{incident}/review/follow-ups", "Add something to do.", created, s.addFollowUp),
		send(post, "/follow-ups/{follow_up}/done", "Say that a follow-up is done.", quiet, s.finishFollowUp),
		get("/reviews", "All reviews, newest first, without their text.", s.reviews),

		get("/changes", "What altered production, newest first.", s.changes),
		send(post, "/changes", "Put a change on record. Sending the same ID again updates its end and its verdict.", created, s.recordChange),
		withFiles(send(post, "/imports/changes", "Put many past changes on record, all or none.", ok, s.importChanges)),
		get("/changes/{change}", "One change.", s.change),

		get("/changes/{change}/verification", "What was measured before and after a change, and what that means.", s.verification),
		withFiles(send(post, "/gate", "May this change go now? The answer is put on record.", ok, s.askGate)),
		get("/gate", "What the gate answered, newest first.", s.gateAnswers),

		get("/delivery", "How changes reached users: the five measures, with the records behind each.", s.delivery),

		get("/runbooks", "All runbooks.", s.runbooks),
		get("/runbooks/{runbook}", "One runbook with its steps.", s.runbook),
		get("/runs", "Runs, newest first, without outputs.", s.runs),
		send(post, "/runs", "Run a runbook.", created, s.startRun),
		get("/runs/{run}", "One run with its steps, outputs and approvals.", s.run),
		send(post, "/runs/{run}/steps/{step}/approve", "Let a step run that somebody else asked for.", ok, s.approve),
		send(post, "/runs/{run}/steps/{step}/refuse", "Do not let it run.", ok, s.refuse),
		send(post, "/runs/{run}/steps/{step}/retry", "Run a step again that was interrupted.", ok, s.proceed(true)),
		send(post, "/runs/{run}/steps/{step}/skip", "Go on without a step that was interrupted.", ok, s.proceed(false)),
		send(post, "/runs/{run}/cancel", "End a run.", ok, s.cancelRun),

		get("/journal", "What happened: facts, newest first. Walk with before, or with after and order=oldest.", s.journal),
		get("/journal/{fact}/causes", "A fact and what caused it, back to the first cause.", s.causes),
		raw("/events", "Facts as they happen, as server-sent events: id is the fact's, event its kind, data the fact.", "text/event-stream", s.events),

		get("/explain", "Say how an expression is evaluated: which parts are kept up to date from what has changed, and what each costs.", s.explainExpr),
		withFiles(send(post, "/backtest", "Say what rules would have done: when each alert had fired, whom it had paged, which incidents it had caught.", ok, s.backtest)),
		withFiles(send(post, "/plan", "Say what applying a workspace would change, and what its alerts would have done in the last 30 days.", ok, s.plan)),

		get("/patterns", "Patterns of log lines with how often they came, most frequent first.", s.patterns),
		get("/patterns/{pattern}", "One pattern with examples and its counts over time.", s.pattern),
		get("/telemetry", "Who sends how much telemetry, its cardinality, and what nobody has asked for.", s.telemetry),
		get("/pattern-shifts", "Patterns that are new, surging or gone in a window, against the time before it.", s.patternShifts),

		get("/silences", "Silences.", s.silences),
		send(post, "/silences", "Mute notifications for a time.", created, s.addSilence),
		remove("/silences/{silence}", "End a silence.", s.expireSilence),

		get("/tokens", "Your tokens, without their secrets.", s.tokens),
		send(post, "/tokens", "Make a token. Its secret is in this answer and nowhere else.", created, s.createToken),
		remove("/tokens/{token}", "Revoke a token.", s.revokeToken),
		byAdmin(send(post, "/invitations", "Make a one-time link for somebody to sign in with.", created, s.invite)),
	})
}

func (s *server) openapi(c *call, _ none) error {
	c.w.Header().Set("Content-Type", "application/json")
	if _, err := c.w.Write(s.document); err != nil {
		s.Logger.Debug("the document was not taken", "err", err)
	}
	return nil
}
