// Package observe takes in what is seen of production: metrics today, by remote
// write, OTLP, scraping and this machine's own collectors.
//
// In: bytes from outside, all of them hostile: bounded, validated, refused with an
// error that says where, what was there and what was expected. Out: samples in
// the store, readable by PromQL. Promise: a sample that was acknowledged is in
// the write-ahead log, and a kill does not lose it; a sample that was refused is
// counted, and its sender was told.
package observe
