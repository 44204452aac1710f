// Package yamldoc reads YAML so that every mistake has a place: file, line, column,
// field path, what was there and what was expected.
//
// In: the bytes of one file, hostile. Out: nodes with typed accessors that collect
// Problems instead of stopping at the first. Promise: size, depth, documents and
// alias expansion are bounded, so that no input takes more than a moment.
package yamldoc
