package remotewrite_test

import (
	"bytes"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// BenchmarkHandler stores requests of 500 series that come again and again.
func BenchmarkHandler(b *testing.B) {
	r := start(b)
	l := limits()
	l.ActiveSeries = 1 << 20
	r.store.SetLimits(l)
	at := time.Now().Add(-time.Hour).UnixMilli()
	const rounds = 1000
	bodies := make([][]byte, 0, rounds)
	for round := range rounds {
		req := &prompb.WriteRequest{}
		for i := range 500 {
			req.Timeseries = append(req.Timeseries, seriesV1(at+int64(round)*100, float64(round*i), "__name__", "http_server_requests_total", "code", strconv.Itoa(200+i%5*100),
				"instance", fmt.Sprintf("10.0.%d.%d:8080", i/250, i%250), "job", "checkout", "route", "/orders"))
		}
		raw, err := proto.Marshal(req)
		if err != nil {
			b.Fatal(err)
		}
		bodies = append(bodies, snappy.Encode(nil, raw))
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if w := r.post(typeV1, bytes.NewReader(bodies[n%rounds])); w.Code != 204 {
			b.Fatal(w.Code, w.Body)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*500), "ns/sample")
}
