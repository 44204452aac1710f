//go:build bench

package bench

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"syscall"
)

// self is the CPU time of this process in seconds, user and system.
func self() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it cannot fail with these arguments
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// of is the CPU time of another process in seconds (proc_pid_stat(5), fields 14 and 15,
// in ticks of 10 ms).
func of(pid int) (float64, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	user, err := strconv.ParseFloat(f[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100, err
}

// measure returns the CPU seconds that f takes in this process. What was left to collect
// from before is collected first.
func measure(f func() error) (float64, error) {
	runtime.GC()
	before := self()
	err := f()
	return self() - before, err
}

// ours measures one of our own parts, with a profile if wanted.
func (b *bench) ours(name string, f func() error) (float64, error) {
	if b.Profile == "" {
		return measure(f)
	}
	b.profiles++
	if err := os.MkdirAll(b.Profile, 0o755); err != nil {
		return 0, err
	}
	out, err := os.Create(filepath.Join(b.Profile, fmt.Sprintf("%s-%03d.pprof", name, b.profiles)))
	if err != nil {
		return 0, err
	}
	defer out.Close()
	return measure(func() error {
		if err := pprof.StartCPUProfile(out); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		return f()
	})
}

// heap is what is in use after everything else was collected.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
