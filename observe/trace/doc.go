// Package trace keeps spans, in a store of the same kind as logs have.
//
// In: spans as receivers hand them on, hostile: a span is bounded and made valid like a
// row of logs. Out: whole traces, traces that a search finds, services and their
// operations; request, error and duration series and the graph of who calls whom, which
// Red makes of spans on their way in.
//
// Promise: when Commit returns nil the spans are in the write-ahead log. A span that is
// read is the span that was sent, attribute types, events and links with it, unless it
// was beyond the limits; then a counter says so. A trace is read with at most MaxSpans
// spans, and says when it has more. A tree of spans is a tree whatever their parents say.
package trace
