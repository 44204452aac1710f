package remotewrite

import (
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// wholeV1 stores a series that has more than float samples: the generated decoder reads
// it. An error means that the message is malformed.
func (b *batch) wholeV1(message []byte, scratch *scratch, index int) error {
	var ts prompb.TimeSeries
	if err := ts.Unmarshal(message); err != nil {
		return err
	}
	scratch.take(ts.Labels)
	ls, refusal := scratch.labels(b.limits)
	if refusal != nil {
		b.refuse(len(ts.Samples)+len(ts.Histograms), index, refusal)
		return nil
	}
	s := series{batch: b, labels: ls}
	for _, p := range ts.Samples {
		s.sample(0, p.Timestamp, p.Value)
	}
	for _, p := range ts.Histograms {
		if p.IsFloatHistogram() {
			s.histogram(0, p.Timestamp, nil, p.ToFloatHistogram())
		} else {
			s.histogram(0, p.Timestamp, p.ToIntHistogram(), nil)
		}
	}
	var ex []exemplar.Exemplar
	for _, e := range ts.Exemplars {
		scratch.take(e.Labels)
		if ls, refusal := scratch.labels(b.limits); refusal == nil {
			ex = append(ex, exemplar.Exemplar{Labels: ls, Value: e.Value, Ts: e.Timestamp, HasTs: e.Timestamp != 0})
		}
	}
	s.exemplars(ex)
	return nil
}

// wholeV2 does the same for a series of 2.0, whose references have been looked at.
func (b *batch) wholeV2(message []byte, scratch *scratch, index int) error {
	var ts writev2.TimeSeries
	if err := ts.Unmarshal(message); err != nil {
		return err
	}
	ls, refusal := scratch.labels(b.limits)
	if refusal != nil {
		b.refuse(len(ts.Samples)+len(ts.Histograms), index, refusal)
		return nil
	}
	s := series{batch: b, labels: ls}
	for _, p := range ts.Samples {
		s.sample(p.StartTimestamp, p.Timestamp, p.Value)
	}
	for _, p := range ts.Histograms {
		var ih *histogram.Histogram
		var fh *histogram.FloatHistogram
		if p.IsFloatHistogram() {
			fh = p.ToFloatHistogram()
		} else {
			ih = p.ToIntHistogram()
		}
		s.histogram(p.StartTimestamp, p.Timestamp, ih, fh)
	}
	var ex []exemplar.Exemplar
	for _, e := range ts.Exemplars {
		scratch.refs = append(scratch.refs[:0], e.LabelsRefs...)
		if scratch.look() != nil {
			continue
		}
		if ls, refusal := scratch.labels(b.limits); refusal == nil {
			ex = append(ex, exemplar.Exemplar{Labels: ls, Value: e.Value, Ts: e.Timestamp, HasTs: e.Timestamp != 0})
		}
	}
	s.exemplars(ex)
	return nil
}

// take makes pairs of labels that the generated decoder has read.
func (s *scratch) take(ls []prompb.Label) {
	s.pairs = s.pairs[:0]
	for _, l := range ls {
		s.pairs = append(s.pairs, pair{[]byte(l.Name), []byte(l.Value)})
	}
}
