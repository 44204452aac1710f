// Package manifest reads Kubernetes manifests and says what would go wrong with them.
//
// In: files of YAML or JSON with any number of documents, hostile; those of one check
// belong together. Out: Problems, each with its place. Errors are what must not run: what
// the API would refuse (unknown fields, wrong types, versions that are gone), and what
// endangers the service or its neighbours (no version, no limits, no readiness, root's
// rights, a selector that selects nothing). Warnings are what a house wants to know.
// Promise: nothing is asked of a cluster; no value of a Secret is repeated.
//
// What is meant to be so is accepted on the object, by the name of the check and a reason:
//
//	metadata: {annotations: {evenkeel.dev/accept: "host: reads the node's own logs"}}
package manifest
