package alert

import (
	_ "embed"
	"fmt"
	"net"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	commoncfg "github.com/prometheus/common/config"
)

// messages say what burns, what changed and what to do, where the user's own
// templates do not say otherwise.
//
//go:embed messages.tmpl
var messages string

type built struct {
	tmpl       *template.Template
	route      *dispatch.Route
	receivers  map[string][]*sender
	intervener *timeinterval.Intervener
}

// build does everything that can fail, before anything that runs is touched.
func (p *Pipeline) build(cfg *amconfig.Config) (*built, error) {
	tmpl, err := template.FromGlobs(nil)
	if err != nil {
		return nil, err
	}
	if err := tmpl.Parse(strings.NewReader(messages)); err != nil {
		return nil, err
	}
	for _, glob := range cfg.Templates {
		if err := tmpl.FromGlob(glob); err != nil {
			return nil, fmt.Errorf("templates: %w", err)
		}
	}
	tmpl.ExternalURL = p.o.ExternalURL
	b := &built{tmpl: tmpl, route: dispatch.NewRoute(cfg.Route, nil), receivers: map[string][]*sender{}}
	used := map[string]bool{}
	b.route.Walk(func(r *dispatch.Route) { used[r.RouteOpts.Receiver] = true })
	for _, r := range cfg.Receivers {
		if !used[r.Name] {
			continue
		}
		list, err := receiver.BuildReceiverIntegrations(r, tmpl, p.o.Logger, p.httpOptions()...)
		if err == nil {
			err = p.plainWebhooks(r, list)
		}
		if err != nil {
			return nil, fmt.Errorf("receiver %q: %w", r.Name, err)
		}
		for _, in := range list {
			b.receivers[r.Name] = append(b.receivers[r.Name], newSender(p, in, r.Name))
		}
	}
	intervals := map[string][]timeinterval.TimeInterval{}
	for _, ti := range cfg.MuteTimeIntervals {
		intervals[ti.Name] = ti.TimeIntervals
	}
	for _, ti := range cfg.TimeIntervals {
		intervals[ti.Name] = ti.TimeIntervals
	}
	b.intervener = timeinterval.NewIntervener(intervals)
	return b, nil
}

// plainWebhooks replaces those integrations that are webhooks without a template of their
// own. Alertmanager's notifier renders the URL with a copy of every template that there
// is, for each message; here there is none to copy.
func (p *Pipeline) plainWebhooks(r amconfig.Receiver, list []notify.Integration) error {
	bare, err := template.New()
	if err != nil {
		return err
	}
	bare.ExternalURL = p.o.ExternalURL
	plain, err := receiver.BuildReceiverIntegrations(amconfig.Receiver{Name: r.Name, WebhookConfigs: r.WebhookConfigs}, bare, p.o.Logger, p.httpOptions()...)
	if err != nil {
		return err
	}
	for i, x := range list {
		if x.Name() != "webhook" {
			continue
		}
		if c := r.WebhookConfigs[x.Index()]; c.Payload == nil && c.URL != "" && !strings.Contains(string(c.URL), "{{") {
			list[i] = plain[x.Index()]
		}
	}
	return nil
}

func (p *Pipeline) httpOptions() []commoncfg.HTTPClientOption {
	dial := p.o.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	return []commoncfg.HTTPClientOption{commoncfg.WithDialContextFunc(dial)}
}
