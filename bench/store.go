package bench

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Open opens a store that keeps everything and never compacts, so that nothing runs in
// the background of a measurement.
func Open(dir string) (*tsdb.DB, error) {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = (100 * 365 * 24 * time.Hour).Milliseconds()
	o.FloatChunkEncoding = chunkenc.EncXOR2
	db, err := tsdb.Open(dir, slog.New(slog.DiscardHandler), nil, o, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot open store %q: %w", dir, err)
	}
	db.DisableCompactions()
	return db, nil
}

// Link makes a folder with the blocks of others in it, which are not copied: what is
// appended to a store there does not touch them.
func Link(dir string, from ...string) error {
	for _, f := range from {
		metas, err := filepath.Glob(filepath.Join(f, "*", "meta.json"))
		if err != nil {
			return err
		}
		for _, m := range metas {
			block := filepath.Dir(m)
			err := filepath.WalkDir(block, func(path string, d os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				to := filepath.Join(dir, filepath.Base(block), path[len(block):])
				if d.IsDir() {
					return os.MkdirAll(to, 0o755)
				}
				return os.Link(path, to)
			})
			if err != nil {
				return fmt.Errorf("cannot link block %q: %w", block, err)
			}
		}
	}
	return nil
}
