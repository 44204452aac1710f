package pattern_test

import (
	"fmt"
	"testing"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// lines are of a few kinds, with values.
func lines(n int) []string {
	out := make([]string, n)
	for i := range out {
		switch i % 5 {
		case 0:
			out[i] = fmt.Sprintf("Received block blk_%d of size %d from /10.250.%d.%d", i*7919, i*31, i%250, i%199)
		case 1:
			out[i] = fmt.Sprintf("PacketResponder %d for block blk_%d terminating", i%3, i*104729)
		case 2:
			out[i] = fmt.Sprintf("GET /api/cart/%d 200 %dms user_agent=\"curl/8.%d\" trace_id=%032x", i, i%900, i%9, i)
		case 3:
			out[i] = fmt.Sprintf("authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=218.188.%d.%d", i%255, i%77)
		default:
			out[i] = fmt.Sprintf("[pool-%d-thread-%d] INFO com.example.Checkout - order %d paid in %d ms", i%4, i%16, i, i%3000)
		}
	}
	return out
}

func BenchmarkAdd(b *testing.B) {
	all := lines(100_000)
	size := 0
	for _, l := range all {
		size += len(l)
	}
	m := pattern.NewMiner()
	b.SetBytes(int64(size / len(all)))
	b.ResetTimer()
	for i := range b.N {
		m.Add(all[i%len(all)])
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
