// Package journal holds what happened and why: append-only facts, each naming
// the fact that caused it and the actor that did it.
//
// In: facts from every room, written in the same transaction as the state they
// speak of. Out: timelines, the audit list, reviews and reports. Promise: a fact
// that was acknowledged is never changed nor removed, and its cause is older
// than itself, so that following causes always ends.
//
// Every package may import journal; journal imports nothing of ours.
package journal
