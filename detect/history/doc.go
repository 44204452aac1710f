// Package history opens what can be replayed: a data folder, a Prometheus-compatible
// server, or a file of series.
//
// In: a folder, an address or a file. Out: a storage.Queryable and how far it reaches.
// Promise: what is opened is never written to; a folder may belong to a program that
// runs.
package history
