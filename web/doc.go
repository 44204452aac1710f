// Package web is the pages: what a person sees of the whole loop, and the forms with
// which they act on it.
//
// In: requests that the wiring has already authenticated (act.IdentityOf), and the
// books of the rooms before it. Out: HTML rendered on the server, one typed view
// struct a page, and a stream of journal facts that keeps open pages live.
//
// Promise: nobody without an identity sees more than the sign-in; every act names
// the signed-in person as its actor; text from outside is never markup; links and
// forms work without the script; the URL holds all state of a page.
//
// The order of a request: security headers, refusal of cross-site posts, identity,
// handler. A handler returns an error instead of writing one; fail (errors.go) turns
// it into a page with the right status.
package web
