// Package finding is the book of findings: it opens, refreshes and resolves them.
//
// In: what detectors saw. Out: rows, facts, and the Sink's calls. Promise: one
// episode is one row whatever restarts lie between; the fact is committed before the
// Sink is called; a hand-off that failed is tried again with the next observation.
package finding
