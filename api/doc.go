// Package api is our JSON API under /api/evenkeel/v1: the face for programs, the
// command's client verbs among them.
//
// In: requests of a signed-in person or a token, whom the one middleware before this
// package has named. Out: the rooms' nouns as JSON, lists as {"items": […]}, errors
// as {"error": {"code", "message", "hint"}}, facts as server-sent events. Promise:
// one table of routes both registers the handlers and makes the OpenAPI document, so
// that the document says what the server does; an input that is not understood is
// refused whole, and the answer says where, what was there and what was expected;
// every act is done in the name of the person who asked.
package api
