// Package state is the embedded database: one SQLite file with its migrations,
// and the journal's facts in it.
//
// In: transactions from the rooms. Out: committed rows, and every committed fact
// to whoever follows the journal. Promise: when Update returns nil, the rows and
// the facts are on disk together, and a kill at any moment loses nothing of it.
//
// Rooms keep the SQL of their own nouns; state owns the schema's order.
package state
