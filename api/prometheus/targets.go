package prometheus

import (
	"fmt"

	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/scrape"
)

// noTargets is for a server that scrapes nothing.
type noTargets struct{}

func (noTargets) TargetsActive() map[string][]*scrape.Target  { return nil }
func (noTargets) TargetsDropped() map[string][]*scrape.Target { return nil }
func (noTargets) TargetsDroppedCounts() map[string]int        { return nil }
func (noTargets) ScrapePoolConfig(name string) (*promconfig.ScrapeConfig, error) {
	return nil, fmt.Errorf("no scrape pool %q", name)
}
