// Package host observes this machine and this process: node_exporter's collectors
// under their own names, and the program's own metrics, both written into the store
// like any other target's.
//
// In: the kernel's files. Out: series with job="node" and job="evenkeel". Promise: a
// series that is no longer there ends with a staleness marker.
package host

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/alecthomas/kingpin/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/node_exporter/collector"
)

// collectors leaves out what is slow, chatty or needs privileges on a common machine.
var collectors = []string{
	"conntrack", "cpu", "diskstats", "edac", "entropy", "filefd", "filesystem", "hwmon", "loadavg", "mdadm", "meminfo",
	"netclass", "netdev", "netstat", "nfs", "nvme", "os", "pressure", "schedstat", "sockstat", "softnet", "stat", "textfile",
	"thermal_zone", "time", "timex", "udp_queues", "uname", "vmstat", "xfs", "zfs",
}

// parseFlags satisfies node_exporter's collectors, which read some hundred global
// flags of their own and find only zero values before those are parsed.
var parseFlags = sync.OnceValue(func() error {
	_, err := kingpin.CommandLine.Parse([]string{})
	return err
})

// Registry gathers this machine's metrics.
func Registry(logger *slog.Logger) (prometheus.Gatherer, error) {
	if err := parseFlags(); err != nil {
		return nil, fmt.Errorf("cannot prepare host metrics: %w", err)
	}
	node, err := collector.NewNodeCollector(quiet(logger), collectors...)
	if err != nil {
		return nil, fmt.Errorf("cannot prepare host metrics: %w", err)
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(node); err != nil {
		return nil, fmt.Errorf("cannot prepare host metrics: %w", err)
	}
	return reg, nil
}

// quiet leaves out what collectors say of a machine that lacks something: it is no
// fault, and one that cannot collect at all is seen by Collector.
func quiet(l *slog.Logger) *slog.Logger {
	if l.Enabled(context.Background(), slog.LevelDebug) {
		return l
	}
	return slog.New(slog.DiscardHandler)
}
