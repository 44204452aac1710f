package observe

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

// Body reads a request's body, decompressed, of at most limit bytes before and after.
// snappy is the block format of Prometheus and Loki.
func Body(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, *Refusal) {
	return bodyInto(w, req, limit, &bytes.Buffer{})
}

// BodyThen reads a body as Body does and hands it to f, which must not keep any of it:
// its memory is used again for other requests.
func BodyThen(w http.ResponseWriter, req *http.Request, limit int64, f func([]byte)) *Refusal {
	buf := bodies.Get().(*bytes.Buffer)
	buf.Reset()
	body, refusal := bodyInto(w, req, limit, buf)
	if refusal == nil {
		f(body)
	}
	if buf.Cap() <= mostKept {
		bodies.Put(buf)
	}
	return refusal
}

var bodies = sync.Pool{New: func() any { return &bytes.Buffer{} }}

// mostKept is the largest body whose memory is kept.
const mostKept = 8 << 20

func bodyInto(w http.ResponseWriter, req *http.Request, limit int64, buf *bytes.Buffer) ([]byte, *Refusal) {
	var src io.Reader = http.MaxBytesReader(w, req.Body, limit)
	malformed := func(err error) *Refusal {
		return &Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: req.Header.Get("Content-Encoding") + ": " + err.Error()}
	}
	switch enc := req.Header.Get("Content-Encoding"); enc {
	case "", "identity":
	case "gzip":
		zr, err := gzip.NewReader(src)
		if err != nil {
			return nil, malformed(err)
		}
		src = zr
	case "deflate":
		zr, err := zlib.NewReader(src)
		if err != nil {
			return nil, malformed(err)
		}
		src = zr
	case "zstd":
		zr, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(max(limit, 8<<20))))
		if err != nil {
			return nil, malformed(err)
		}
		defer zr.Close()
		src = zr
	case "snappy":
		packed, err := io.ReadAll(src)
		if err != nil {
			return nil, bodyRefusal(err, limit)
		}
		size, err := snappy.DecodedLen(packed)
		if err != nil {
			return nil, malformed(err)
		}
		if int64(size) > limit {
			return nil, TooLarge(limit)
		}
		body, err := snappy.Decode(nil, packed)
		if err != nil {
			return nil, malformed(err)
		}
		return body, nil
	default:
		return nil, &Refusal{Status: http.StatusUnsupportedMediaType, Reason: "malformed", Where: "Content-Encoding", Got: fmt.Sprintf("%q", enc), Want: "gzip, deflate, snappy or zstd"}
	}
	if n := req.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	if _, err := buf.ReadFrom(io.LimitReader(src, limit+1)); err != nil {
		return nil, bodyRefusal(err, limit)
	}
	if int64(buf.Len()) > limit {
		return nil, TooLarge(limit)
	}
	return buf.Bytes(), nil
}

func bodyRefusal(err error, limit int64) *Refusal {
	if errors.As(err, new(*http.MaxBytesError)) {
		return TooLarge(limit)
	}
	return &Refusal{Status: http.StatusBadRequest, Reason: "malformed", Where: "body", Want: "a whole body: " + err.Error()}
}
