package metrics

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
)

// maxRefusals bounds what is kept of the refusals of one batch; all are counted.
const maxRefusals = 20

// Guard is one batch on its way into the store. Every sample is checked, also against
// the others of its batch: what the store would drop without a word is refused here.
// Not for concurrent use.
type Guard struct {
	storage.AppenderV2
	ctx      context.Context
	door     *Door
	limits   declare.Limits
	newest   int64 // Unix milliseconds: a later sample is from the future
	oldest   int64 // Unix milliseconds: an earlier one is beyond the retention
	window   int64 // milliseconds that a sample may be late; 0: not at all
	accepted int
	refused  int
	refusals []*observe.Refusal
	drops    drops
	failure  error // of the store: nothing of this batch may be acknowledged

	last   *newest            // the newest sample of this batch, of each series
	late   map[instant]sample // those of this batch that are out of order
	past   storage.Querier    // of the time of the last late sample
	pastOf int64
}

// Accepted is how many samples of this batch were accepted so far.
func (g *Guard) Accepted() int { return g.accepted }

// Newest is the time, in Unix milliseconds, after which a sample is from the future.
func (g *Guard) Newest() int64 { return g.newest }

// Oldest is a time, in Unix milliseconds, before which the store takes no sample of any
// series.
func (g *Guard) Oldest() int64 {
	newest := g.door.store.Head().MaxTime()
	if newest == math.MinInt64 {
		return g.oldest // the store is empty
	}
	// A series that is new may start half a block before the newest sample of all.
	return max(g.oldest, newest-max(g.window, tsdb.DefaultBlockDuration/2))
}

// Refused is how many were refused, and the first few of why.
func (g *Guard) Refused() (int, []*observe.Refusal) { return g.refused, g.refusals }

// Append checks a sample and appends it. Of a strict door it returns an
// *observe.Refusal for a sample that was refused; any other error is the store's, and
// fails the whole batch.
func (g *Guard) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	if g.failure != nil {
		return ref, g.failure
	}
	if len(g.drops) > 0 && g.drops.drop(ls) {
		return 0, nil // with a reference it would not be looked at again once the rule is gone
	}
	if r := g.checkTime(ls, t); r != nil {
		return ref, g.refuse(r)
	}
	id := ref
	if ref == 0 { // else the series was checked when its sender got the reference
		if r := checkLabels(ls, g.limits); r != nil {
			return ref, g.refuse(r)
		}
		if id = g.known(ls); id == 0 {
			if r := g.checkActive(ls); r != nil {
				return ref, g.refuse(r)
			}
		}
	}
	s := sample{t: t, v: v, h: h, fh: fh}
	if r := checkHistogram(ls, s); r != nil {
		return ref, g.refuse(r)
	}
	got, err := g.put(id, ls, st, s, opts)
	if err == nil || errors.Is(err, (*storage.AppendPartialError)(nil)) {
		g.accepted++ // exemplars are extra: one that was not stored does not refuse its sample
		return got, nil
	}
	return ref, g.fail(err, ls, t)
}

// fail refuses a sample that was not stored, or remembers that the store cannot.
func (g *Guard) fail(err error, ls labels.Labels, t int64) error {
	if refusal, ok := errors.AsType[*observe.Refusal](err); ok {
		return g.refuse(refusal)
	}
	if r := refusalOf(err, ls, t); r != nil {
		return g.refuse(r)
	}
	g.failure = err
	return err
}

// AppendExemplars implements storage.ExemplarAppenderV2. The exemplars must be sorted
// by time. Those from the future, and those that are out of order, are left out and
// reported in a *storage.AppendPartialError; they never refuse their sample.
func (g *Guard) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, ex []exemplar.Exemplar) (storage.SeriesRef, error) {
	app, ok := g.AppenderV2.(storage.ExemplarAppenderV2)
	if !ok || g.failure != nil {
		return ref, nil
	}
	partial := &storage.AppendPartialError{}
	kept := make([]exemplar.Exemplar, 0, len(ex))
	for i, e := range ex {
		if e.Ts > g.newest {
			partial.ExemplarErrors = append(partial.ExemplarErrors, storage.ExemplarError{Index: i, Err: errors.New("from the future")})
			continue
		}
		kept = append(kept, e)
	}
	_, err := app.AppendExemplars(ref, ls, kept)
	if partial, err = partial.Handle(err); err != nil {
		return ref, err
	}
	if n := len(partial.ExemplarErrors); n > 0 {
		g.door.store.refused.WithLabelValues(g.door.receiver, "exemplar").Add(float64(n))
	}
	return ref, partial.ToError()
}

// Commit writes the batch to the write-ahead log. Its error is an *observe.Refusal
// with status 503; then nothing of the batch is stored.
func (g *Guard) Commit() error {
	g.end()
	err := g.failure
	if err != nil {
		_ = g.AppenderV2.Rollback()
	} else {
		err = g.AppenderV2.Commit()
	}
	if err != nil {
		g.door.store.refused.WithLabelValues(g.door.receiver, "store").Add(float64(g.accepted))
		g.accepted = 0
		return &observe.Refusal{Status: http.StatusServiceUnavailable, Reason: "store", Want: "a store that can write: " + err.Error()}
	}
	g.door.store.samples.WithLabelValues(g.door.receiver).Add(float64(g.accepted))
	return nil
}

// Rollback forgets the batch.
func (g *Guard) Rollback() error {
	g.end()
	return g.AppenderV2.Rollback()
}

// Refuse counts n samples that were refused before they could be appended.
func (g *Guard) Refuse(n int, r *observe.Refusal) {
	g.refused += n
	g.door.store.refused.WithLabelValues(g.door.receiver, r.Reason).Add(float64(n))
	if len(g.refusals) < maxRefusals {
		g.refusals = append(g.refusals, r)
	}
}

func (g *Guard) refuse(r *observe.Refusal) error {
	g.Refuse(1, r)
	if g.door.strict {
		return r
	}
	return nil
}

// known is the reference of a series that is in the head; 0 when it is new.
func (g *Guard) known(ls labels.Labels) storage.SeriesRef {
	heads, ok := g.AppenderV2.(storage.GetRef)
	if !ok {
		return 0
	}
	ls = ls.WithoutEmpty()
	ref, _ := heads.GetRef(ls, ls.Hash())
	return ref
}

// checkActive refuses a series that is new when there are too many already.
func (g *Guard) checkActive(ls labels.Labels) *observe.Refusal {
	if int(g.door.store.Head().NumSeries()) < g.limits.ActiveSeries {
		return nil
	}
	return bad(ls, "limit_series", "a new series", fmt.Sprintf("at most %d active ones (limits.active_series)", g.limits.ActiveSeries))
}
