// Package pattern finds the templates of log lines as they come: "session opened for
// user <*>" instead of ten thousand lines.
//
// In: lines, in any order and of any kind; there is nothing to tune. Out: for each
// line its template, and for each service the counts of its templates over time; which
// of them are new or far more frequent than before is evidence for whoever looks for a
// cause. Promise: memory is bounded whatever comes, and a known kind of line costs one
// pass over its bytes.
//
// How it works. A scan splits a line into words and punctuation, and replaces what is
// surely a value: anything with a digit, paths, addresses, hexadecimal, what stands
// behind an equals sign. The hash of what is left is the line's shape; a known shape is
// a look-up. An unknown shape is compared with the templates of its length, or begins a
// template of its own. Then, for each word of it, the shape with that word left out is
// looked up: when enough different words have been seen in the same place with all
// else equal, the place is a variable and the templates become one. How many are enough
// depends on what the words look like: two user names are, six verbs are not.
package pattern
