// Package request is the desk of requests: what people ask for from the catalogue, who
// lets it through, how it is fulfilled and how long it took.
//
// In: forms. Out: runs of runbooks, files of blueprints, requests on record. Promise: a
// form is checked by its types and by the item's guardrails before anything else; nobody
// approves their own request; a decision is taken once; the clock stands only while the
// requester is asked; a fulfilment that was begun is followed to its end over restarts.
//
// The states, which only transition moves:
//
//	waiting → queued | refused      queued → running → done | queued (it failed)
//	waiting | queued → asked → the state before it
//	waiting | asked | queued → cancelled      done → queued (reopened)
//	queued → done (by hand)
package request
