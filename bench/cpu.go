//go:build bench

package bench

import (
	"bytes"
	"errors"
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
func (b *bench) ours(name string, f func() error) (cpu float64, err error) {
	return measure(func() error { return b.profiled(name, f) })
}

// profiled runs f, with a profile if wanted.
func (b *bench) profiled(name string, f func() error) error {
	if b.Profile == "" {
		return f()
	}
	out, err := b.profile(name)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

// profile makes the file of one.
func (b *bench) profile(name string) (*os.File, error) {
	b.profiles++
	if err := os.MkdirAll(b.Profile, 0o755); err != nil {
		return nil, err
	}
	return os.Create(filepath.Join(b.Profile, fmt.Sprintf("%s-%03d.pprof", name, b.profiles)))
}

// heap is what is in use after everything else was collected.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// heapProfile writes what is in use, if wanted.
func (b *bench) heapProfile(name string) error {
	if b.Profile == "" {
		return nil
	}
	out, err := b.profile(name)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(out), out.Close())
}
