// Package workspace loads a workspace folder whole, checks that what is declared in
// one file exists in the others, and watches it.
//
// In: a folder. Out: an immutable declare.Workspace, or all Problems at once.
// Promise: no file outside of the folder is read; an invalid workspace never
// replaces a valid one.
package workspace
