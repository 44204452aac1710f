// Package hook takes what other systems report of changes: the webhooks of GitHub,
// GitLab, Argo CD, Flux, HCP Terraform and Atlantis, CDEvents, and any CloudEvent.
//
// In: one HTTP request of a sender. Out: changes, merges and outcomes of checks, stored
// with the delivery's ID in one transaction. Promise: nothing is read before the
// signature has been checked against the raw bytes; the same delivery is taken once,
// whatever the clock does; a body is bounded; the answer comes once it is stored, and
// says in words what became of it. A source without a secret takes nothing.
//
// Who may send what is decided by the secret alone: a hook is no person.
package hook
