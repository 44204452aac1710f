// Package dashboard reads and writes dashboards/*.yml, and puts chosen values in the
// place of variables in their queries.
//
// In: one file a dashboard. Out: the dashboard, the names that it refers to, and
// Problems: each query is parsed, with sample values in the place of its variables, so
// that what is accepted can be asked. Promise: a value that somebody chooses stands
// inside of the quotes in which the variable stands, whatever it is.
package dashboard
