// Package outcome keeps what became of findings that somebody was told of, and says
// from it how good each alert is.
//
// In: a person's word, by one tap; runs, changes and acts on incidents, from which an
// outcome is inferred where no person has given one. Out: outcomes, episodes for
// backtests, and per rule precision, noise, flapping and time to acknowledge. Promise:
// what is inferred is marked so and never replaces a person's word; every outcome is a
// fact with its actor.
package outcome
