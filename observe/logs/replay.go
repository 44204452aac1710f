package logs

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

// replay puts back the rows that the engine had not on disk when the process was
// killed. A segment may hold rows that it had: those are recognised by their time and
// all of their fields, and counted, so that nothing is stored twice.
func (s *Store) replay() error {
	paths, err := s.wal.segments()
	if err != nil {
		return err
	}
	paths = slices.DeleteFunc(paths, func(p string) bool { return p == s.wal.file.Name() })
	if len(paths) == 0 {
		return nil
	}
	began := time.Now()
	there := map[uint64]int{}
	minutes := map[int64]bool{}
	each := func(f func(Row)) error {
		for _, p := range paths {
			torn, err := readSegment(p, func(rows []byte) error { return eachRow(rows, f) })
			if err != nil {
				return fmt.Errorf("cannot read %q: %w", p, err)
			}
			if torn {
				s.log.Warn("the write-ahead log ends within a request, which was not acknowledged", "file", p)
			}
		}
		return nil
	}
	if err := each(func(r Row) { minutes[r.Time/int64(time.Minute)] = true }); err != nil {
		return err
	}
	if err := s.stored(minutes, there); err != nil {
		return err
	}
	back, known := 0, 0
	set := logstorage.GetLogRows(nil, nil, nil, nil, "")
	defer logstorage.PutLogRows(set)
	oldest := s.o.Now().Add(-s.o.Retention).UnixNano()
	if err := each(func(r Row) {
		if h := rowHash(r.Time, r.Fields); there[h] > 0 {
			there[h]--
			known++
			return
		}
		if r.Time < oldest {
			return
		}
		set.MustAdd(logstorage.TenantID{}, r.Time, r.Fields, r.Streams)
		back++
		if set.NeedFlush() {
			s.engine.MustAddRows(set)
			set.ResetKeepSettings()
		}
	}); err != nil {
		return err
	}
	s.engine.MustAddRows(set)
	s.engine.DebugFlush()
	// The segments stay until the engine has the rows on disk, like those of this run.
	now := time.Now()
	s.wal.mu.Lock()
	s.wal.rows += uint64(back)
	for _, p := range paths {
		s.wal.old = append(s.wal.old, segment{path: p, ended: now, rows: s.wal.rows})
	}
	s.wal.mu.Unlock()
	if back+known > 0 {
		s.log.Info("rows of the write-ahead log were put back", "rows", back, "already_stored", known, "took", time.Since(began).Round(time.Millisecond))
	}
	return nil
}

// stored counts the rows of some minutes that the engine has.
func (s *Store) stored(minutes map[int64]bool, there map[uint64]int) error {
	var sorted []int64
	for m := range minutes {
		sorted = append(sorted, m)
	}
	slices.Sort(sorted)
	for len(sorted) > 0 {
		from, to := sorted[0], sorted[0]
		for len(sorted) > 0 && sorted[0] <= to+1 {
			to, sorted = sorted[0], sorted[1:]
		}
		// The engine skips blocks whose stream it cannot name. What a kill took from its
		// index are just the newest streams, so their names must not be asked for.
		q, err := ParseQuery("* | delete _stream, _stream_id", s.o.Now())
		if err != nil {
			return err
		}
		q.AddTimeFilter(from*int64(time.Minute), (to+1)*int64(time.Minute)-1)
		if err := s.Each(context.Background(), q, func(r Row) bool {
			there[rowHash(r.Time, r.Fields)]++
			return true
		}); err != nil {
			return err
		}
	}
	return nil
}

// rowHash is the same for a row that is sent and the one that is stored: the order of
// fields does not matter.
func rowHash(at int64, fields []Field) uint64 {
	h := uint64(at) * 0x9e3779b97f4a7c15
	for i := range fields {
		if fields[i].Value != "" {
			h += fieldHash(&fields[i])
		}
	}
	return h
}
