package remotewrite

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/evenkeel/evenkeel/observe"
)

// What one element of a message takes in memory, in bytes, about. In the message each
// can be as short as two bytes, so that a small body could decode to gigabytes.
const (
	shortest       = 2
	seriesBytes    = 160
	sampleBytes    = 24
	histogramBytes = 280 // the most of all
	exemplarBytes  = 64
	labelBytes     = 32
	otherBytes     = 80 // a symbol, the metadata of a metric
)

// swelling is how many times larger than the body limit a decoded message may be. What
// senders really send grows to three to six times its size.
const swelling = 8

// shape is what a message holds.
type shape struct {
	samples int // histograms too
	memory  int64
}

// measure walks a message without decoding it.
func measure(body []byte, v2 bool) (s shape, err error) {
	series, label, histogram, exemplar := protowire.Number(1), protowire.Number(1), protowire.Number(4), protowire.Number(3)
	if v2 { // there labels are references, four bytes each
		series, label, histogram, exemplar = 5, 0, 3, 4
	}
	w := wire{rest: body}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		if kind != protowire.BytesType {
			w.skip(num, kind)
			continue
		}
		value := w.bytes(kind)
		if num != series {
			s.memory += otherBytes
			continue
		}
		s.memory += seriesBytes
		one := wire{rest: value}
		for num, kind, ok := one.next(); ok; num, kind, ok = one.next() {
			if kind != protowire.BytesType {
				one.skip(num, kind)
				continue
			}
			value := one.bytes(kind)
			switch num {
			case 2:
				s.samples++
				s.memory += sampleBytes
			case label:
				s.memory += labelBytes
			case histogram:
				s.samples++
				s.memory += histogramBytes
			case exemplar:
				s.memory += exemplarBytes + int64(len(value))/2*labelBytes
			}
		}
		if one.err != nil {
			return s, one.err
		}
	}
	return s, w.err
}

// bounded refuses a message as a whole when decoding or storing it would take too much.
func (h *handler) bounded(r *http.Request, body []byte, v2 bool) *observe.Refusal {
	limits := h.store.Limits()
	// One that could not take too much if each of its elements were as short as can be is not
	// walked; if it is malformed, that is found when it is decoded.
	if most := int64(len(body) / shortest); limits.SamplesPerSource == 0 && most <= int64(limits.SamplesPerWrite) && most*histogramBytes <= swelling*limits.BodyBytes {
		return nil
	}
	s, err := measure(body, v2)
	switch {
	case err != nil:
		return malformed(err)
	case s.samples > limits.SamplesPerWrite:
		return &observe.Refusal{
			Status: http.StatusRequestEntityTooLarge, Reason: "limit_samples", Where: "body", Got: fmt.Sprintf("%d samples", s.samples),
			Want: fmt.Sprintf("at most %d (limits.samples_per_write)", limits.SamplesPerWrite),
		}
	case s.memory > swelling*limits.BodyBytes:
		return &observe.Refusal{
			Status: http.StatusRequestEntityTooLarge, Reason: "too_large", Where: "body", Got: fmt.Sprintf("a message of about %d bytes when decoded", s.memory),
			Want: fmt.Sprintf("at most %d (%d times limits.body_bytes)", swelling*limits.BodyBytes, swelling),
		}
	}
	if limits.SamplesPerSource > 0 {
		sender, _, _ := net.SplitHostPort(r.RemoteAddr)
		return h.store.Share(time.Now(), sender, s.samples)
	}
	return nil
}

func malformed(err error) *observe.Refusal {
	return &observe.Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Got: err.Error(), Want: "a remote write message"}
}
