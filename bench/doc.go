// Package bench measures this program beside its peers, on the same data in one run.
//
// In: a scale, the peers' binaries, a folder to keep data in. Out: docs/benchmarks.md.
// Promise: what is compared has been fed the same samples; the outputs are compared too;
// a ratio is the median of at least five pairs that alternate, in CPU seconds; a peer runs
// with its best switches; where it did not run, the report says so.
//
// What makes data and compares results is ordinary code with ordinary tests. What takes
// long, and the peers, stand behind the build tag "bench": make bench, make bench-quick.
package bench
