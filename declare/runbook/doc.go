// Package runbook reads Markdown runbooks: front matter, prose, and fences with
// attributes, which are the steps that run.
//
// In: one Markdown file. Out: a declare.Runbook, and Problems. Promise: a fence
// without attributes is prose and never runs; a step whose language, request, query
// or expectation cannot be read is an error before anybody needs it at night.
package runbook
