package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
)

// maxRefusals bounds what is kept of the refusals of one batch; all are counted.
const maxRefusals = 20

// Guard is one batch on its way into the store. Every sample is checked.
type Guard struct {
	storage.AppenderV2
	door     *Door
	limits   declare.Limits
	newest   int64 // Unix milliseconds: a later sample is from the future
	accepted int
	refused  int
	refusals []*observe.Refusal
}

// Accepted and Refused count the samples of this batch so far.
func (g *Guard) Accepted() int { return g.accepted }

// Refused is how many were refused, and the first few of why.
func (g *Guard) Refused() (int, []*observe.Refusal) { return g.refused, g.refusals }

// Append checks a sample and appends it.
func (g *Guard) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if r := g.check(ref, ls, t); r != nil {
		return ref, g.refuse(r)
	}
	got, err := g.AppenderV2.Append(ref, ls, st, t, v, h, fh, opts)
	if err == nil || errors.Is(err, (*storage.AppendPartialError)(nil)) {
		g.accepted++ // exemplars are extra: one that was not stored does not refuse its sample
		return got, nil
	}
	if r := refusalOf(err, ls, t); r != nil {
		return ref, g.refuse(r)
	}
	return ref, err
}

// AppendExemplars implements storage.ExemplarAppenderV2.
func (g *Guard) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, ex []exemplar.Exemplar) (storage.SeriesRef, error) {
	app, ok := g.AppenderV2.(storage.ExemplarAppenderV2)
	if !ok {
		return ref, nil
	}
	got, err := app.AppendExemplars(ref, ls, ex)
	if err != nil {
		return ref, nil //nolint:nilerr // exemplars are extra
	}
	return got, nil
}

// Commit writes the batch to the write-ahead log.
func (g *Guard) Commit() error {
	if err := g.AppenderV2.Commit(); err != nil {
		g.door.store.refused.WithLabelValues(g.door.receiver, "store").Add(float64(g.accepted))
		return &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: "a store that can write: " + err.Error()}
	}
	g.door.store.samples.WithLabelValues(g.door.receiver).Add(float64(g.accepted))
	return nil
}

func (g *Guard) refuse(r *observe.Refusal) error {
	g.refused++
	g.door.store.refused.WithLabelValues(g.door.receiver, r.Reason).Inc()
	if len(g.refusals) < maxRefusals {
		g.refusals = append(g.refusals, r)
	}
	if g.door.strict {
		return r
	}
	return nil
}

func (g *Guard) check(ref storage.SeriesRef, ls labels.Labels, t int64) *observe.Refusal {
	bad := func(reason, got, want string) *observe.Refusal {
		return &observe.Refusal{Status: http.StatusBadRequest, Reason: reason, Where: "series " + shorten(ls.String()), Got: got, Want: want}
	}
	if t > g.newest {
		return bad("future", "time "+stamp(t), fmt.Sprintf("at most %s ahead of this clock (limits.future)", model.Duration(g.limits.Future)))
	}
	if ref != 0 {
		return nil // the same batch has checked this series
	}
	if n := ls.Len(); n > g.limits.LabelsPerSeries {
		return bad("limit_labels", fmt.Sprintf("%d labels", n), fmt.Sprintf("at most %d (limits.labels_per_series)", g.limits.LabelsPerSeries))
	}
	var refusal *observe.Refusal
	name := ""
	ls.Range(func(l labels.Label) {
		switch {
		case refusal != nil:
		case l.Name == "":
			refusal = bad("malformed", "an empty label name", "a name")
		case !utf8.ValidString(l.Name) || !utf8.ValidString(l.Value):
			refusal = bad("utf8", fmt.Sprintf("label %q", shorten(l.Name)), "valid UTF-8")
		case len(l.Name) > g.limits.LabelNameBytes:
			refusal = bad("limit_name", fmt.Sprintf("a label name of %d bytes", len(l.Name)), fmt.Sprintf("at most %d (limits.label_name_bytes)", g.limits.LabelNameBytes))
		case len(l.Value) > g.limits.LabelValueBytes:
			refusal = bad("limit_value", fmt.Sprintf("label %q of %d bytes", shorten(l.Name), len(l.Value)), fmt.Sprintf("at most %d (limits.label_value_bytes)", g.limits.LabelValueBytes))
		case l.Name == labels.MetricName:
			name = l.Value
		}
	})
	if refusal != nil {
		return refusal
	}
	if name == "" {
		return bad("malformed", "no metric name", "a label __name__")
	}
	if dup, has := ls.HasDuplicateLabelNames(); has {
		return bad("malformed", fmt.Sprintf("label %q twice", shorten(dup)), "each label once")
	}
	return g.checkActive(ls, bad)
}

// checkActive refuses a series that is new when there are too many already.
func (g *Guard) checkActive(ls labels.Labels, bad func(reason, got, want string) *observe.Refusal) *observe.Refusal {
	if int(g.door.store.Head().NumSeries()) < g.limits.ActiveSeries {
		return nil
	}
	if known, ok := g.AppenderV2.(storage.GetRef); ok {
		if ref, _ := known.GetRef(ls, ls.Hash()); ref != 0 {
			return nil
		}
	}
	return bad("limit_series", "a new series", fmt.Sprintf("at most %d active ones (limits.active_series)", g.limits.ActiveSeries))
}

// refusalOf explains the store's own refusals; nil for what is not the sender's fault.
func refusalOf(err error, ls labels.Labels, t int64) *observe.Refusal {
	r := &observe.Refusal{Status: http.StatusBadRequest, Where: "series " + shorten(ls.String()), Got: "time " + stamp(t)}
	var hist histogram.Error
	switch {
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrOutOfBounds):
		r.Reason, r.Want = "out_of_order", "a sample not older than the newest one of its series, or inside the out-of-order window (metrics.out_of_order)"
	case errors.Is(err, storage.ErrTooOldSample):
		r.Reason, r.Want = "too_old", "a sample inside the out-of-order window (metrics.out_of_order)"
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		r.Reason, r.Want = "duplicate", "one value for one time: another is stored already"
	case errors.As(err, &hist):
		r.Reason, r.Want, r.Got = "malformed", "a consistent histogram: "+err.Error(), "another"
	default:
		return nil
	}
	return r
}

func stamp(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
