// Package shop is a small real shop for the demo: services in processes of their
// own that call each other over loopback, customers that buy from them, and a
// deployer that changes their versions.
//
// In: what to listen on, and where Evenkeel is. Out: telemetry (scraped from
// /metrics, and sent by OTLP from payments), changes announced to Evenkeel's API,
// and failures that are real: a bad release is other code, which fails by itself.
// Promise: nothing here knows what Evenkeel will find. It is an ordinary shop,
// watched through the doors that every other estate uses, and this package
// imports nothing of Evenkeel. When the process that runs it dies, even by kill
// -9, its services die too.
//
//	customers ──► checkout ──► catalog      newsletter (nothing depends on it)
//	    │             └──────► payments ──OTLP──► Evenkeel ◄──changes── deployer
//	    └──────────────────► catalog
//
// The deployer owns the listening sockets and hands them to the services, so
// that customers who knock during a deployment wait a moment and are not turned
// away:
//
//	start new ─► new says ready ─► old stops accepting ─► new serves ─► old drains, ends
//	    └─ not ready in time: new is ended, old goes on: the deployment failed
package shop
