package remotewrite

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"net/http"
	"sync"

	"github.com/prometheus/prometheus/model/labels"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe"
	"github.com/evenkeel/evenkeel/observe/metrics"
)

// pair is one label as it stands in a message.
type pair struct{ name, value []byte }

// scratch is what decoding needs, used again for the next request.
type scratch struct {
	written []byte // the labels of a series of 1.0, as the message has them
	pairs   []pair // its labels, read when they must be
	samples []point
	native  int // how many histograms there are
	symbols [][]byte
	names   []name // of symbols
	refs    []uint32
	builder labels.ScratchBuilder
}

type point struct {
	st, t int64
	v     float64
}

var scratches = sync.Pool{New: func() any { return &scratch{builder: labels.NewScratchBuilder(16)} }}

// storeV1 stores a message of remote write 1.0. What is not a float sample is left to the
// generated decoder.
func (h *handler) storeV1(r *http.Request, body []byte, written *stats) error {
	b, s := h.begin(r, written), scratches.Get().(*scratch)
	defer scratches.Put(s)
	index, last := 0, (*called)(nil)
	w := wire{rest: body}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		if num != 1 {
			w.skip(num, kind)
			continue
		}
		message := w.bytes(kind)
		plain, err := s.readV1(message)
		if err != nil {
			return h.drop(b, err)
		}
		if plain {
			n := nameOf(s.written)
			c := h.known.after(last, n)
			if c == nil {
				if err := s.readLabels(); err != nil {
					return h.drop(b, err)
				}
			}
			b.plain(h, s, n, c, index)
			last = c
		} else if err := b.wholeV1(message, s, index); err != nil {
			return h.drop(b, err)
		}
		index++
	}
	if w.err != nil {
		return h.drop(b, w.err)
	}
	return b.end()
}

// readV1 reads one series: its labels, not further than need be, and its samples. It is
// plain when its labels stand in front and float samples follow, and nothing else.
func (s *scratch) readV1(message []byte) (plain bool, err error) {
	s.samples, s.native = s.samples[:0], 0
	w := wire{rest: message}
	for len(w.rest) > 1 && w.rest[0] == 1<<3|byte(protowire.BytesType) {
		w.rest = w.rest[1:]
		w.bytes(protowire.BytesType)
	}
	s.written = message[:len(message)-len(w.rest)]
	plain = true
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		switch num {
		case 2:
			p, err := readPoint(w.bytes(kind))
			if err != nil {
				return false, err
			}
			s.samples = append(s.samples, p)
		case 4:
			s.native++
			fallthrough
		default:
			w.skip(num, kind)
			plain = false
		}
	}
	return plain, w.err
}

// readLabels reads the pairs of a series of 1.0.
func (s *scratch) readLabels() error {
	s.pairs = s.pairs[:0]
	w := wire{rest: s.written}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		p, err := readPair(w.bytes(kind))
		if num != 1 || err != nil {
			return cmp.Or(err, errField)
		}
		s.pairs = append(s.pairs, p)
	}
	return w.err
}

func readPair(message []byte) (p pair, err error) {
	w := wire{rest: message}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		switch num {
		case 1:
			p.name = w.bytes(kind)
		case 2:
			p.value = w.bytes(kind)
		default:
			w.skip(num, kind)
		}
	}
	return p, w.err
}

// readPoint reads a sample; of 2.0 it has a start time too.
func readPoint(message []byte) (p point, err error) {
	if len(message) > 10 && message[0] == 1<<3|byte(protowire.Fixed64Type) && message[9] == 2<<3|byte(protowire.VarintType) { // as all senders write it
		p.v = math.Float64frombits(binary.LittleEndian.Uint64(message[1:]))
		if t, n := binary.Uvarint(message[10:]); n == len(message)-10 {
			p.t = int64(t)
			return p, nil
		}
	}
	w := wire{rest: message}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		switch num {
		case 1:
			p.v = math.Float64frombits(w.fixed64(kind))
		case 2:
			p.t = int64(w.varint(kind))
		case 3:
			p.st = int64(w.varint(kind))
		default:
			w.skip(num, kind)
		}
	}
	return p, w.err
}

// storeV2 stores a message of remote write 2.0.
func (h *handler) storeV2(r *http.Request, body []byte, written *stats) error {
	b, s := h.begin(r, written), scratches.Get().(*scratch)
	defer scratches.Put(s)
	if err := s.readSymbols(body); err != nil {
		return h.drop(b, err)
	}
	index, last := 0, (*called)(nil)
	w := wire{rest: body}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		if num != 5 {
			w.skip(num, kind)
			continue
		}
		message := w.bytes(kind)
		plain, err := s.readV2(message)
		if err != nil {
			return h.drop(b, err)
		}
		if refusal := s.look(); refusal != nil {
			b.refuse(len(s.samples)+s.native, index, refusal)
		} else if plain {
			n := s.name()
			c := h.known.after(last, n)
			b.plain(h, s, n, c, index)
			last = c
		} else if err := b.wholeV2(message, s, index); err != nil {
			return h.drop(b, err)
		}
		index++
	}
	if w.err != nil {
		return h.drop(b, w.err)
	}
	return b.end()
}

// readSymbols reads the strings that the series refer to by number.
func (s *scratch) readSymbols(body []byte) error {
	s.symbols, s.names = s.symbols[:0], s.names[:0]
	w := wire{rest: body}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		if num != 4 {
			w.skip(num, kind)
			continue
		}
		symbol := w.bytes(kind)
		s.symbols = append(s.symbols, symbol)
		s.names = append(s.names, nameOf(symbol))
	}
	return w.err
}

// readV2 reads one series: references to its labels, and its samples. It is plain when it
// has no histograms and no exemplars.
func (s *scratch) readV2(message []byte) (plain bool, err error) {
	s.refs, s.samples, s.native = s.refs[:0], s.samples[:0], 0
	plain = true
	w := wire{rest: message}
	for num, kind, ok := w.next(); ok; num, kind, ok = w.next() {
		switch {
		case num == 1 && kind == protowire.BytesType:
			for packed := (wire{rest: w.bytes(kind)}); len(packed.rest) > 0; {
				s.refs = append(s.refs, uint32(packed.varint(protowire.VarintType)))
				if packed.err != nil {
					return false, packed.err
				}
			}
		case num == 1:
			s.refs = append(s.refs, uint32(w.varint(kind)))
		case num == 2:
			p, err := readPoint(w.bytes(kind))
			if err != nil {
				return false, err
			}
			s.samples = append(s.samples, p)
		case num == 3 || num == 4: // histograms, exemplars
			w.bytes(kind)
			plain = false
			if num == 3 {
				s.native++
			}
		default:
			w.skip(num, kind)
		}
	}
	return plain, w.err
}

// look makes pairs of the references.
func (s *scratch) look() *observe.Refusal {
	s.pairs = s.pairs[:0]
	if len(s.refs)%2 != 0 {
		return malformed(fmt.Errorf("%d label references", len(s.refs)))
	}
	for i := 0; i < len(s.refs); i += 2 {
		name, value := s.refs[i], s.refs[i+1]
		if int(name) >= len(s.symbols) || int(value) >= len(s.symbols) {
			return malformed(fmt.Errorf("label references %d and %d of %d symbols", name, value, len(s.symbols)))
		}
		s.pairs = append(s.pairs, pair{s.symbols[name], s.symbols[value]})
	}
	return nil
}

// name is the same whatever the numbers of the symbols are.
func (s *scratch) name() (n name) {
	for _, ref := range s.refs {
		n = n.with(s.names[ref])
	}
	return n
}

// labels checks the labels and makes strings of them.
func (s *scratch) labels(limits declare.Limits) (labels.Labels, *observe.Refusal) {
	if len(s.pairs) > limits.LabelsPerSeries {
		return labels.EmptyLabels(), tooMany(len(s.pairs), limits)
	}
	s.builder.Reset()
	for _, p := range s.pairs {
		if len(p.name) > limits.LabelNameBytes || len(p.value) > limits.LabelValueBytes { // before a copy is made
			return labels.EmptyLabels(), metrics.CheckLabel(string(p.name[:min(len(p.name), limits.LabelNameBytes+1)]), string(p.value[:min(len(p.value), limits.LabelValueBytes+1)]), limits)
		}
		name, value := string(p.name), string(p.value)
		if r := metrics.CheckLabel(name, value, limits); r != nil {
			return labels.EmptyLabels(), r
		}
		s.builder.Add(name, value)
	}
	s.builder.Sort()
	return s.builder.Labels(), nil
}

func tooMany(n int, limits declare.Limits) *observe.Refusal {
	return &observe.Refusal{
		Status: http.StatusBadRequest, Reason: "limit_labels", Got: fmt.Sprintf("%d labels", n),
		Want: fmt.Sprintf("at most %d (limits.labels_per_series)", limits.LabelsPerSeries),
	}
}
