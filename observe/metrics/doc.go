// Package metrics is the embedded metrics store: Prometheus' own TSDB, with a guarded
// door in front of it.
//
// In: samples from the receivers, through Guarded appenders that check every one of
// them. Out: storage.Storage for PromQL. Promise: Commit returns nil only when the
// samples are in the write-ahead log; what was refused is counted, with its reason.
package metrics
