package remotewrite

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
)

// wire reads the fields of one protobuf message in place: nothing is copied, and
// nothing is allocated. After the first error it is at its end.
type wire struct {
	rest []byte
	err  error
}

var errField = errors.New("a malformed field")

// next reads the tag of the next field; false at the end.
func (w *wire) next() (num protowire.Number, kind protowire.Type, ok bool) {
	if len(w.rest) == 0 {
		return 0, 0, false
	}
	tag := uint64(w.rest[0])
	n := 1
	if tag >= 0x80 {
		if tag, n = protowire.ConsumeVarint(w.rest); n < 0 {
			w.fail(errors.New("a malformed tag"))
			return 0, 0, false
		}
	}
	num, kind = protowire.DecodeTag(tag)
	if num < protowire.MinValidNumber {
		w.fail(errors.New("a malformed tag"))
		return 0, 0, false
	}
	w.rest = w.rest[n:]
	return num, kind, true
}

// bytes reads a field that has a length.
func (w *wire) bytes(kind protowire.Type) []byte {
	if kind != protowire.BytesType {
		w.fail(errField)
		return nil
	}
	size := w.varint(protowire.VarintType)
	if uint64(len(w.rest)) < size {
		w.fail(errField)
		return nil
	}
	value := w.rest[:size:size]
	w.rest = w.rest[size:]
	return value
}

func (w *wire) varint(kind protowire.Type) uint64 {
	if len(w.rest) > 0 && w.rest[0] < 0x80 && kind == protowire.VarintType {
		v := uint64(w.rest[0])
		w.rest = w.rest[1:]
		return v
	}
	v, n := protowire.ConsumeVarint(w.rest)
	if n < 0 || kind != protowire.VarintType {
		w.fail(errField)
		return 0
	}
	w.rest = w.rest[n:]
	return v
}

func (w *wire) fixed64(kind protowire.Type) uint64 {
	if kind != protowire.Fixed64Type || len(w.rest) < 8 {
		w.fail(errField)
		return 0
	}
	v := binary.LittleEndian.Uint64(w.rest)
	w.rest = w.rest[8:]
	return v
}

func (w *wire) skip(num protowire.Number, kind protowire.Type) {
	if kind == protowire.BytesType {
		w.bytes(kind)
		return
	}
	n := protowire.ConsumeFieldValue(num, kind, w.rest)
	if n < 0 {
		w.fail(errField)
		return
	}
	w.rest = w.rest[n:]
}

func (w *wire) fail(err error) {
	w.rest = nil
	if w.err == nil {
		w.err = err
	}
}
