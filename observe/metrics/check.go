package metrics

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
)

func bad(ls labels.Labels, reason, got, want string) *observe.Refusal {
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: reason, Where: "series " + shorten(ls.String()), Got: got, Want: want}
}

func (g *Guard) checkTime(ls labels.Labels, t int64) *observe.Refusal {
	switch {
	case t > g.newest:
		return bad(ls, "future", "time "+stamp(t), fmt.Sprintf("at most %s ahead of this clock (limits.future)", model.Duration(g.limits.Future)))
	case t < g.oldest:
		return bad(ls, "too_old", "time "+stamp(t), "a time inside the retention (metrics.retention)")
	}
	return nil
}

// CheckLabel checks one label before labels are built of it: a string of 16 MiB does
// not fit into them. Nil when it is in order.
func CheckLabel(name, value string, limits declare.Limits) *observe.Refusal {
	refuse := func(reason, got, want string) *observe.Refusal {
		return &observe.Refusal{Status: http.StatusBadRequest, Reason: reason, Got: got, Want: want}
	}
	switch {
	case name == "":
		return refuse("malformed", "an empty label name", "a name")
	case len(name) > limits.LabelNameBytes:
		return refuse("limit_name", fmt.Sprintf("a label name of %d bytes", len(name)), fmt.Sprintf("at most %d (limits.label_name_bytes)", limits.LabelNameBytes))
	case len(value) > limits.LabelValueBytes:
		return refuse("limit_value", fmt.Sprintf("label %q of %d bytes", shorten(name), len(value)), fmt.Sprintf("at most %d (limits.label_value_bytes)", limits.LabelValueBytes))
	case !utf8.ValidString(name) || !utf8.ValidString(value):
		return refuse("utf8", fmt.Sprintf("label %q with value %q", shorten(name), shorten(value)), "valid UTF-8")
	}
	return nil
}

// checkLabels checks the labels of a series.
func checkLabels(ls labels.Labels, limits declare.Limits) *observe.Refusal {
	if n := ls.Len(); n > limits.LabelsPerSeries {
		return bad(ls, "limit_labels", fmt.Sprintf("%d labels", n), fmt.Sprintf("at most %d (limits.labels_per_series)", limits.LabelsPerSeries))
	}
	var refusal *observe.Refusal
	ls.Range(func(l labels.Label) {
		if refusal == nil {
			refusal = CheckLabel(l.Name, l.Value, limits)
		}
	})
	if refusal != nil {
		refusal.Where = "series " + shorten(ls.String())
		return refusal
	}
	if ls.Get(labels.MetricName) == "" {
		return bad(ls, "malformed", "no metric name", "a label __name__")
	}
	if dup, has := ls.HasDuplicateLabelNames(); has {
		return bad(ls, "malformed", fmt.Sprintf("label %q twice", shorten(dup)), "each label once")
	}
	return nil
}

// refusalOf explains the store's own refusals; nil for what is not the sender's fault.
func refusalOf(err error, ls labels.Labels, t int64) *observe.Refusal {
	switch {
	case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrOutOfBounds):
		return bad(ls, "out_of_order", "time "+stamp(t), "a sample not older than the newest one of its series, or inside the out-of-order window (metrics.out_of_order)")
	case errors.Is(err, storage.ErrTooOldSample):
		return bad(ls, "too_old", "time "+stamp(t), "a sample inside the out-of-order window (metrics.out_of_order)")
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return duplicate(ls, t)
	}
	return nil
}

func duplicate(ls labels.Labels, t int64) *observe.Refusal {
	return bad(ls, "duplicate", "another value for time "+stamp(t), "one value for one time: what is stored stays")
}

func stamp(ms int64) string {
	if ms < -62135596800000 || ms > 253402300799999 { // years 1 to 9999
		return fmt.Sprintf("%d ms", ms)
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.999Z07:00")
}

func shorten(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
