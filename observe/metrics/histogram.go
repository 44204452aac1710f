package metrics

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/evenkeel/evenkeel/observe"
)

// checkHistogram refuses an inconsistent histogram. One that is finer than the store
// knows is made coarser, in place, once it is known to be consistent: before that its
// spans may claim anything.
func checkHistogram(ls labels.Labels, s sample) *observe.Refusal {
	var err error
	switch {
	case s.fh != nil:
		fine := s.fh.Schema
		if coarsen := tooFine(fine); coarsen {
			s.fh.Schema = histogram.ExponentialSchemaMax
			if err = s.fh.Validate(); err == nil {
				s.fh.Schema = fine
				err = s.fh.ReduceResolution(histogram.ExponentialSchemaMax)
			}
		} else {
			err = s.fh.Validate()
		}
	case s.h != nil:
		fine := s.h.Schema
		if coarsen := tooFine(fine); coarsen {
			s.h.Schema = histogram.ExponentialSchemaMax
			if err = s.h.Validate(); err == nil {
				s.h.Schema = fine
				err = s.h.ReduceResolution(histogram.ExponentialSchemaMax)
			}
		} else {
			err = s.h.Validate()
		}
	}
	if err != nil {
		return bad(ls, "malformed", "a histogram: "+err.Error(), "a consistent one")
	}
	return nil
}

func tooFine(schema int32) bool {
	return histogram.IsExponentialSchemaReserved(schema) && schema > histogram.ExponentialSchemaMax
}
