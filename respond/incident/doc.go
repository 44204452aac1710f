// Package incident is the book of incidents: it opens, joins, mitigates, regresses and
// resolves them.
//
// In: findings on their way to people, and people's acts. Out: rows, facts, and the
// findings with what the page must say. Promise: a paging finding belongs to exactly
// one incident; transitions are respond.Next's; two people acting at once are one act
// and one refusal.
package incident
