// Package respond gets the right person to work on a finding, with the likely
// cause in hand.
//
// In: findings. Out: notifications through Alertmanager's own packages, incidents,
// ranked suspects. Promise: a page opens or joins exactly one incident; every
// state change of an incident is a fact with its actor; a notification that was
// sent, or could not be, is on record.
//
// An incident's states and what moves them (only Next in incident.go decides):
//
//	          acknowledge           all paging findings resolved, or mitigate
//	open ──────────────► acknowledged ──────────────► mitigated ──► resolved
//	 │ ▲ all paging findings resolved, or mitigate        ▲  │ resolve
//	 └─┼──────────────────────────────────────────────────┘  │
//	   └── a finding pages again: it is open, and pages ◄────┘
//
// resolve and merge are allowed from open, acknowledged and mitigated; resolved and
// merged are final. An acknowledgement ends with the alerts that it was given for.
package respond
