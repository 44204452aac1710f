// Package logs keeps rows: log lines, and in a second store of the same kind spans.
//
// In: rows from receivers, hostile: every row is bounded, made valid text, and refused
// or changed with a count and a reason. Out: rows by LogsQL. The engine is VictoriaLogs'
// lib/logstorage in the process: columns per field, streams, bloom filters.
//
// Promise: when Commit returns nil, the rows of the batch are in the write-ahead log
// and a killed process does not lose them; they can be read within about a second. The
// engine holds what it was given in memory for some seconds before it is on disk; the
// write-ahead log covers that time, and after a kill what the engine had already
// written is recognised and not stored twice.
//
// A store is used by
//
//	Open → Begin, Add…, Commit (many at once) → Run (housekeeping) → Close
//
// Several stores live in one process, each in its own folder; the engine's caches are
// bounded for all of them together.
package logs
