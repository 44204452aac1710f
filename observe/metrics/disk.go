package metrics

import (
	"fmt"
	"sync"
	"syscall"
	"time"
)

// defaultReserve is what the store must be able to grow by, in bytes: a file of chunks
// (128 MiB, allocated at once), a segment of each log, and a small block.
const defaultReserve = 512 << 20

// disk watches the free space below a folder. The store itself loses late samples,
// which it has acknowledged, once the disk is full; so writing ends before that.
type disk struct {
	dir     string
	reserve uint64

	mu      sync.Mutex
	checked time.Time
	err     error
}

// room returns an error when there is too little. It looks at most once a second.
func (d *disk) room(now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.checked.IsZero() && now.Sub(d.checked).Abs() < time.Second {
		return d.err
	}
	d.checked, d.err = now, nil
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &fs); err != nil {
		d.err = fmt.Errorf("cannot see the free space of %q: %w", d.dir, err)
		return d.err
	}
	if free := fs.Bavail * uint64(fs.Bsize); free < d.reserve {
		d.err = fmt.Errorf("%d MiB of disk space are left, expected at least %d", free>>20, d.reserve>>20)
	}
	return d.err
}
