// Package runbook runs runbooks: step by step, with approvals, to a verified end.
//
// In: a wish to run, decisions of people. Out: runs with their outputs, facts, a change
// for each run. Promise: a step's start and its result are stored before anything
// follows from them; what was approved is what runs; parameters never become shell
// text; after a restart a run goes on where it was, and a step that may have happened
// does not happen again unless it says that it may, or a person does.
package runbook
