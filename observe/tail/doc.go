// Package tail follows log files on this machine.
//
// In: patterns of paths; files that grow, are rotated (renamed, or copied and
// truncated), deleted, created anew. Out: rows; lines that belong together are one row.
// Promise: each line is stored once in spite of rotations and restarts. The position
// in each file is written down after its rows are stored: when the process is killed in
// between, those rows are stored again rather than lost.
package tail
