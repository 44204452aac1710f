// Package declare holds what the department declares: services, teams, people,
// levels, objectives, rules, routing, runbooks, schedules.
//
// In: a workspace folder of files in the formats that the field already has.
// Out: one immutable Workspace, or Problems that say where, what was there and
// what was expected. Promise: a Workspace that is handed out has no Problem of
// severity error, and never changes; a newer one replaces it whole.
package declare
