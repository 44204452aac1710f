package alert

import (
	"context"
	"strings"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/common/model"

	"github.com/evenkeel/evenkeel/detect"
)

// inhibitions say which alerts others inhibit, at once: an incident opens before anything
// is sent, so a page and the source that inhibits it can come together, and the page
// opens nothing. Sources are found by the labels that have to be equal.
type inhibitions struct {
	mu      sync.RWMutex
	rules   []*inhibitRule
	sources index                                // which rules an alert may be a source of
	targets index                                // and which a target
	firing  map[model.Fingerprint]model.LabelSet // every alert that was sent and has not ended
}

type inhibitRule struct {
	*inhibit.InhibitRule
	equal []model.LabelName
	// sources are those of the rule, by the values of the labels that have to be equal.
	sources map[string]map[model.Fingerprint]model.LabelSet
}

func (r *inhibitRule) key(labels model.LabelSet) string {
	var b strings.Builder
	for _, name := range r.equal {
		b.WriteString(string(labels[name]))
		b.WriteByte(0xff)
	}
	return b.String()
}

// use takes over the rules of a configuration; what fires is kept.
func (in *inhibitions) use(rules []common.InhibitRule) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.rules, in.sources, in.targets = nil, index{}, index{}
	for i, cr := range rules {
		r := &inhibitRule{InhibitRule: inhibit.NewInhibitRule(cr), sources: map[string]map[model.Fingerprint]model.LabelSet{}}
		for name := range r.Equal {
			r.equal = append(r.equal, name)
		}
		in.rules = append(in.rules, r)
		in.sources.add(i, r.SourceMatchers)
		in.targets.add(i, r.TargetMatchers)
	}
	for fp, s := range in.firing {
		in.index(fp, s)
	}
}

// sourceOf are the rules that an alert is a source of.
func (in *inhibitions) sourceOf(labels model.LabelSet, visit func(*inhibitRule)) {
	if len(in.rules) == 0 {
		return
	}
	var buf [16]int
	for _, i := range in.sources.candidates(labels, buf[:]) {
		if r := in.rules[i]; r.SourceMatchers.Matches(labels) {
			visit(r)
		}
	}
}

func (in *inhibitions) index(fp model.Fingerprint, labels model.LabelSet) {
	in.sourceOf(labels, func(r *inhibitRule) {
		k := r.key(labels)
		if r.sources[k] == nil {
			r.sources[k] = map[model.Fingerprint]model.LabelSet{}
		}
		r.sources[k][fp] = labels
	})
}

// see notes alerts that are on their way; one that has ended inhibits no more.
func (in *inhibitions) see(now time.Time, alerts ...*amalert.Alert) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.firing == nil {
		in.firing = map[model.Fingerprint]model.LabelSet{}
	}
	for _, a := range alerts {
		fp := a.Labels.Fingerprint()
		if a.ResolvedAt(now) {
			in.drop(fp)
			continue
		}
		in.firing[fp] = a.Labels
		in.index(fp, a.Labels)
	}
}

func (in *inhibitions) drop(fp model.Fingerprint) {
	labels, ok := in.firing[fp]
	if !ok {
		return
	}
	delete(in.firing, fp)
	in.sourceOf(labels, func(r *inhibitRule) {
		k := r.key(labels)
		if delete(r.sources[k], fp); len(r.sources[k]) == 0 {
			delete(r.sources, k)
		}
	})
}

// mutes says whether something that fires, or comes with it, inhibits an alert.
func (in *inhibitions) mutes(labels model.LabelSet, with together) bool {
	_, is := in.mutedBy(labels, with)
	return is
}

// mutedBy is what inhibits an alert.
func (in *inhibitions) mutedBy(labels model.LabelSet, with together) (by model.Fingerprint, is bool) {
	in.mu.RLock()
	defer in.mu.RUnlock()
	if len(in.rules) == 0 {
		return 0, false
	}
	var buf [16]int
	fp, asked := model.Fingerprint(0), false
	for _, i := range in.targets.candidates(labels, buf[:]) {
		r := in.rules[i]
		if !r.TargetMatchers.Matches(labels) {
			continue
		}
		if !asked {
			fp, asked = labels.Fingerprint(), true
		}
		// As in Alertmanager: what matches both sides is not inhibited by its like.
		both := r.SourceMatchers.Matches(labels)
		counts := func(other model.Fingerprint, s model.LabelSet) bool {
			return other != fp && (!both || !r.TargetMatchers.Matches(s))
		}
		k := r.key(labels)
		for other, s := range r.sources[k] {
			if counts(other, s) {
				return other, true
			}
		}
		for _, s := range with[r][k] {
			if other := s.Fingerprint(); counts(other, s) {
				return other, true
			}
		}
	}
	return 0, false
}

// together are the sources among findings that come together, by rule and key.
type together map[*inhibitRule]map[string][]model.LabelSet

func (in *inhibitions) among(findings []detect.Finding) together {
	in.mu.RLock()
	defer in.mu.RUnlock()
	out := together{}
	for i := range findings {
		if len(in.rules) == 0 || !findings[i].Open() {
			continue
		}
		labels := labelsOf(&findings[i])
		in.sourceOf(labels, func(r *inhibitRule) {
			if out[r] == nil {
				out[r] = map[string][]model.LabelSet{}
			}
			k := r.key(labels)
			out[r][k] = append(out[r][k], labels)
		})
	}
	return out
}

func labelsOf(f *detect.Finding) model.LabelSet {
	set := make(model.LabelSet, len(f.Labels)+1)
	for k, v := range f.Labels {
		if v != "" {
			set[model.LabelName(k)] = model.LabelValue(v)
		}
	}
	if set[model.AlertNameLabel] == "" && f.Name != "" {
		set[model.AlertNameLabel] = model.LabelValue(f.Name)
	}
	return set
}

// Muter says of each of these findings whether it is silenced, or inhibited by what
// fires or by another one of them.
func (p *Pipeline) Muter(ctx context.Context, now time.Time, findings []detect.Finding) func(detect.Finding) bool {
	with := p.inhibitions.among(findings)
	return func(f detect.Finding) bool {
		labels := labelsOf(&f)
		return p.quiet.mutes(ctx, now, labels) || p.inhibitions.mutes(labels, with)
	}
}
