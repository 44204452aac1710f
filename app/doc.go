// Package app is the only place where the parts meet: it opens the stores, connects the
// rooms, and runs them.
//
// In: a workspace folder and a data folder. Out: one http.Handler and one Run. Promise:
// parts are started in the order of the loop and closed in reverse; the whole program
// can be embedded in a test.
package app
