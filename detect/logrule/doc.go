// Package logrule evaluates what is declared over logs: rules of type vlogs, as vmalert
// reads them, and the counts that objectives over log lines are made of.
//
// In: groups of LogsQL rules; the rows of the log store. Out: recorded samples and
// findings; the counters log_events_total. Promise: a rule sees each row once, a group
// at a time, some seconds after the rows have come; a count is taken as the row is
// stored, so that an objective over a month never reads logs. A counter begins again
// with the process, which rate() and increase() know; what was counted in the last
// seconds before a kill is missing from it.
//
// An alert is, for each result of its query:
//
//	inactive → (a result) → pending → (for has passed) → firing → (no result) → inactive
package logrule
