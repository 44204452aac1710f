package remotewrite

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

// named is how many refusals an answer names.
const named = 5

// batch is one request being stored: what is valid goes in, what is not is named.
type batch struct {
	guard   *metrics.Guard
	limits  declare.Limits
	written *stats
	failure error // of the store: it ends the request
}

func (h *handler) begin(r *http.Request, written *stats) *batch {
	limits := h.store.Limits()
	h.known.under(limits)
	return &batch{guard: h.door.Begin(r.Context()), limits: limits, written: written}
}

// drop refuses a message that turns out to be malformed: nothing of it is stored.
func (h *handler) drop(b *batch, err error) error {
	_ = b.guard.Rollback()
	*b.written = stats{}
	return h.refuse(malformed(err))
}

// plain stores a series of float samples, which is in the scratch; c is nil when it is
// not known.
func (b *batch) plain(h *handler, scratch *scratch, n name, c *called, index int) {
	s := series{batch: b}
	if c != nil {
		s.labels, s.ref = c.labels, storage.SeriesRef(c.ref.Load())
	} else {
		ls, refusal := scratch.labels(b.limits)
		if refusal != nil {
			b.refuse(len(scratch.samples), index, refusal)
			return
		}
		s.labels = ls
	}
	for _, p := range scratch.samples {
		s.sample(p.st, p.t, p.v)
	}
	switch {
	case s.ref == 0: // nothing was stored
	case c != nil:
		c.is(s.ref)
	default:
		c = &called{name: n, labels: s.labels}
		c.is(s.ref)
		h.known.put(n, c)
	}
}

// series is one series of a batch.
type series struct {
	*batch
	labels labels.Labels
	ref    storage.SeriesRef
}

// sample appends one sample.
func (s *series) sample(st, t int64, v float64) {
	if s.append(st, t, v, nil, nil) {
		s.written.samples++
	}
}

// histogram appends one native histogram, of either kind.
func (s *series) histogram(st, t int64, h *histogram.Histogram, fh *histogram.FloatHistogram) {
	if s.append(st, t, 0, h, fh) {
		s.written.histograms++
	}
}

func (s *series) append(st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram) bool {
	if s.failure != nil {
		return false
	}
	ref, err := s.guard.Append(s.ref, s.labels, st, t, v, h, fh, storage.AOptions{})
	if err == nil {
		s.ref = ref
		return true
	}
	var refusal *observe.Refusal
	if !errors.As(err, &refusal) {
		s.failure = err
	}
	return false
}

// exemplars appends those of a series that has samples. They are extra: one that is
// not stored refuses nothing.
func (s *series) exemplars(ex []exemplar.Exemplar) {
	if s.ref == 0 || len(ex) == 0 || s.failure != nil {
		return
	}
	slices.SortStableFunc(ex, func(a, b exemplar.Exemplar) int { return cmp.Compare(a.Ts, b.Ts) })
	_, err := s.guard.AppendExemplars(s.ref, s.labels, ex)
	var partial *storage.AppendPartialError
	switch {
	case err == nil:
		s.written.exemplars += len(ex)
	case errors.As(err, &partial):
		s.written.exemplars += max(0, len(ex)-len(partial.ExemplarErrors))
	}
}

// refuse refuses the n samples of a whole series.
func (b *batch) refuse(n, index int, r *observe.Refusal) {
	r.Where = fmt.Sprintf("series %d", index)
	b.guard.Refuse(n, r)
}

// end commits what is valid and says what was not.
func (b *batch) end() error {
	if err := b.guard.Commit(); err != nil {
		*b.written = stats{} // nothing was acknowledged
		return err
	}
	n, why := b.guard.Refused()
	if n == 0 {
		return nil
	}
	lines := make([]string, 0, named)
	for _, r := range why[:min(len(why), named)] {
		lines = append(lines, r.Error())
	}
	if n > len(lines) {
		lines = append(lines, "…")
	}
	text := fmt.Sprintf("%d stored, %d refused: %s", b.guard.Accepted(), n, strings.Join(lines, "; "))
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "partial", Want: text}
}
