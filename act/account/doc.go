// Package account keeps who may sign in: passwords, sessions, tokens, one-time links.
//
// In: secrets. Out: an act.Identity for a request. Promise: no secret is stored, only
// hashes; a one-time link works once; refused attempts are throttled and on record.
package account
