// Package budget answers what people ask of an error budget: how fast it burns over each
// window, when it runs out, and on what it was spent.
//
// In: an objective, the samples (as two queries), and what happened to the service
// (incidents, changes, dependencies) as causes with the time of their impact. Out: a
// Report, and the series that it is recorded as. Promise: Predict, Attribute and
// Stretches are pure; a forecast is the same for the same samples; the shares of one
// breakdown add up to what is spent, and no moment is counted twice.
package budget
