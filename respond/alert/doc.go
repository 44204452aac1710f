// Package alert sends findings to people through Alertmanager's own packages: routing,
// grouping, inhibition, silences, receivers.
//
// In: findings, and alerts that others post to the Alertmanager API. Out: notifications,
// each on record. Promise: a silence that was acknowledged survives a kill; after a
// restart nobody is paged again for what was sent before, except where the kill fell
// between sending and noting (at least once, not at most once).
package alert
