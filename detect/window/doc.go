// Package window keeps, for one series, the windows that end now: for each its first
// sample, its last, how many there are and where the counter was reset. A window moves on
// by looking only at samples that enter and leave it.
//
// In: the samples of a series in the order of their times, and a source for those that
// are old enough to leave. Out: the value of a PromQL function over each window, the same
// bits that PromQL computes from all samples (for sums over time, the same to 1e-9).
// Promise: what a window costs does not depend on its length, in time or in memory.
package window
