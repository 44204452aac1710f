// Package status makes the plain page of a system for those outside.
//
// In: the public updates of incidents, and the services of a system. Out: the page
// with its history, in the shape of Statuspage too; messages to the webhooks of those
// who subscribed. Promise: nothing stands there that nobody said in public, no title and
// no name of the inside; each subscriber gets every public update, in order, at least
// once, also over a restart.
package status
