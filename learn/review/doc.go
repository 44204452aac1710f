// Package review drafts the review of an incident from the journal.
//
// In: facts, the incident, its runs and changes. Out: Markdown. Promise: each line that
// states a fact links to it; the same facts give the same text; what people wrote is
// never overwritten by a draft.
package review
