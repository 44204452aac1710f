// Package backtest says what rules and objectives would have done: it evaluates them
// over history, keeps the alerts' states as Prometheus does, and follows every alert
// through the routing and the rota to a person.
//
// In: rules, a history, the routing, the schedules, incidents on record. Out: when each
// alert fired, whom it paged, which incidents it caught; beside today's rules where
// there are some. Promise: recorded series are computed anew and hide those on record,
// so that a changed recording rule shows in the alerts above it; a rule that cannot be
// replayed is listed with its reason, never left out.
package backtest
