// Package suspect ranks what may have caused an incident: resources, each with the
// change of it that fits best.
//
// In: a Case: when the impact began, which resource users feel, metrics, the call graph,
// changes, log records, spans; any of them may be missing. Out: suspects, best first,
// each with its evidence in words and the signals to draw; or the verdict "nobody" when
// nothing stands out. Promise: pure, the same case gives the same list; a change alone,
// on a resource whose signals did not move, blames nobody; an old innocent change does
// not win over a fresh one; what is not measured counts neither for nor against.
//
// How, in the order of the files:
//
//	class     what a metric's name tells: whose doing it is, which direction is bad
//	window    the quiet window and the incident's; the onset found where it is not given
//	calm      earlier incidents are taken out of the quiet window; the bar that it sets
//	shift     robust deviation of each signal: median and spread of the quiet window,
//	          against how far that window itself strays, never finer than the metric's scale
//	tails     what few samples of its own do not tell is learned from its peers
//	pattern   log patterns that are new, surged, or are missing
//	span      spans become signals: time spent in itself and on the way, failures that no callee had
//	flow      what is asked of others for each request of its own
//	graph, relate   what a resource's callees account for, and what the target lost by it
//	witness   what others say of a resource: two say more than one
//	change    how well a change fits: by time, kind, and what became of the like before
//	rank      joins them to a score; the quiet window's own best score is the bar
//
// Rank is the whole decision. Read reads a case from a folder.
package suspect
