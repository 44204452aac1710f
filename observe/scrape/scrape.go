// Package scrape runs Prometheus' own scrape and discovery managers over the
// workspace's scrape.yml.
//
// In: targets, found by static, file, HTTP and DNS discovery. Out: their samples
// through the guarded door. Promise: Apply takes effect without a restart; a target
// that is too talkative is refused by the same limits as any sender.
package scrape

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/scrape"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

// Scraper scrapes what the workspace declares.
type Scraper struct {
	targets   *scrape.Manager
	discovery *discovery.Manager
	cancel    context.CancelFunc
	logger    *slog.Logger
}

// New prepares the managers; Run runs them.
func New(store *metrics.Store, logger *slog.Logger, reg prometheus.Registerer) (*Scraper, error) {
	ctx, cancel := context.WithCancel(context.Background())
	sd, err := discovery.CreateAndRegisterSDMetrics(reg)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot prepare discovery: %w", err)
	}
	d := discovery.NewManager(ctx, logger, reg, sd, discovery.Name("scrape"))
	if d == nil {
		cancel()
		return nil, fmt.Errorf("cannot prepare discovery")
	}
	// ParseST: a counter's start time makes its first increase count.
	m, err := scrape.NewManager(&scrape.Options{ParseST: true}, logger, nil, nil, store.Guarded("scrape", false), reg)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("cannot prepare scraping: %w", err)
	}
	return &Scraper{targets: m, discovery: d, cancel: cancel, logger: logger}, nil
}

// Targets serves the API's list of targets.
func (s *Scraper) Targets() *scrape.Manager { return s.targets }

// Apply takes over the scrape configurations of a workspace.
func (s *Scraper) Apply(w *declare.Workspace) error {
	cfg, err := promconfig.Load("", s.logger) // the manager takes only what was loaded
	if err != nil {
		return fmt.Errorf("cannot apply scrape.yml: %w", err)
	}
	for _, sc := range w.Scrape {
		cfg.ScrapeConfigs = append(cfg.ScrapeConfigs, withStartTimes(sc))
	}
	if err := s.targets.ApplyConfig(cfg); err != nil {
		return fmt.Errorf("cannot apply scrape.yml: %w", err)
	}
	mechanisms := map[string]discovery.Configs{}
	for _, sc := range w.Scrape {
		mechanisms[sc.JobName] = sc.ServiceDiscoveryConfigs
	}
	if err := s.discovery.ApplyConfig(mechanisms); err != nil {
		return fmt.Errorf("cannot apply scrape.yml: %w", err)
	}
	return nil
}

// withStartTimes asks targets for the protobuf format first, where the configuration
// leaves the choice open: it is the one in which most targets say when a counter
// started, and without that the first increase of a counter cannot be seen.
func withStartTimes(sc *promconfig.ScrapeConfig) *promconfig.ScrapeConfig {
	if !slices.Equal(sc.ScrapeProtocols, promconfig.DefaultScrapeProtocols) {
		return sc
	}
	own := *sc
	own.ScrapeProtocols = promconfig.DefaultProtoFirstScrapeProtocols
	return &own
}

// Run scrapes until ctx ends.
func (s *Scraper) Run(ctx context.Context) error {
	found := make(chan error, 1)
	go func() { found <- s.discovery.Run() }()
	scraped := make(chan error, 1)
	go func() { scraped <- s.targets.Run(s.discovery.SyncCh()) }()
	var err error
	select {
	case <-ctx.Done():
		s.cancel()
		s.targets.Stop()
		<-found
		<-scraped
		return nil
	case err = <-found:
		s.targets.Stop()
		<-scraped
	case err = <-scraped:
		s.cancel()
		<-found
	}
	return fmt.Errorf("cannot scrape: %w", err)
}
