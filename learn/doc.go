// Package learn turns what happened into better declarations: reviews drafted from
// the journal today.
//
// In: the journal and the books of the rooms before it. Out: reviews, as Markdown.
// Promise: what a review states as fact is in the journal; what people wrote into
// it is theirs and is never overwritten by a new draft.
package learn
