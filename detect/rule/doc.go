// Package rule evaluates the workspace's rule files and the compiled objectives with
// Prometheus' own rule manager, and turns alerts into findings.
//
// In: a workspace. Out: recorded series, ALERTS series, findings. Promise: `for`,
// keep_firing_for and state across a restart are Prometheus' own; a finding whose rule
// has gone, or that no longer holds after a restart, is resolved.
package rule
