package observe

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// Disk watches the free space below a folder. A store that has acknowledged what it
// cannot write any more loses it; so taking in ends before the disk is full.
type Disk struct {
	Dir     string
	Reserve uint64 // bytes that must be free

	mu      sync.Mutex
	checked time.Time
	err     error
}

// Room returns an error when there is too little. It looks at most once a second.
func (d *Disk) Room(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.checked.IsZero() && now.Sub(d.checked).Abs() < time.Second {
		return d.err
	}
	d.checked, d.err = now, nil
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &fs); err != nil {
		d.err = fmt.Errorf("cannot see the free space of %q: %w", d.Dir, err)
		return d.err
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < d.Reserve {
		d.err = fmt.Errorf("%d MiB of disk space are left, expected at least %d", free>>20, d.Reserve>>20)
	}
	return d.err
}
