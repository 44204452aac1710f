// Package detect finds where what is observed differs from what is declared. Each
// difference is a Finding, whatever found it.
//
// In: the workspace and the telemetry stores. Out: findings, opened, refreshed and
// resolved, handed to one Sink. Promise: a finding is open until it is seen
// resolved; its fact is in the journal before it is handed on; after a restart
// the same difference continues the same finding.
//
//	        seen                    not seen, or seen resolved
//	(none) ─────► open ─────────────────────────► resolved
//	               ▲ │ seen again: refreshed          │
//	               └─┘                                │ seen again: a new episode,
//	(none) ◄──────────────────────────────────────────┘ a new row
package detect
