package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/observe/host"
)

// settled is how long nobody has written to dpkg's file when what stands there counts: an
// upgrade writes it many times.
const settled = 2 * time.Minute

// shownPackages is how many packages a finding names.
const shownPackages = 5

// packages looks at what is installed on this machine. The file is read only when it is
// another. Nil sees nothing.
type packages struct {
	path     string
	resource declare.ResourceID
	mod      time.Time
	size     int64
	last     change.Sighting
}

func newPackages() *packages {
	name, err := os.Hostname()
	if err != nil {
		return nil
	}
	return &packages{path: host.DpkgStatus, resource: declare.ResourceID("resource/default/" + name)}
}

// see returns what is installed in one word; nothing while it is being altered, and where
// there is no dpkg. keep stores what is to be compared with next time.
func (p *packages) see(ctx context.Context, now time.Time, book *change.Book) (seen []change.Sighting, keep func() error, err error) {
	nothing := func() error { return nil }
	if p == nil {
		return nil, nothing, nil
	}
	info, err := os.Stat(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nothing, nil
	}
	if err != nil {
		return nil, nothing, fmt.Errorf("cannot see the packages of this machine: %w", err)
	}
	if info.ModTime().Equal(p.mod) && info.Size() == p.size {
		return []change.Sighting{p.last}, nothing, nil
	}
	if age := now.Sub(info.ModTime()); age >= 0 && age < settled {
		return nil, nothing, nil
	}
	f, err := os.Open(p.path)
	if err != nil {
		return nil, nothing, fmt.Errorf("cannot see the packages of this machine: %w", err)
	}
	defer f.Close()
	list, err := host.Packages(f)
	if err != nil {
		return nil, nothing, fmt.Errorf("%s: %w", p.path, err)
	}
	before, err := book.Packages(ctx, p.resource)
	if err != nil {
		return nil, nothing, err
	}
	s := change.Sighting{Resource: p.resource, Attribute: "packages", Value: host.Digest(list)}
	if now.Sub(info.ModTime()) > 0 {
		s.First = info.ModTime()
	}
	if before != nil {
		what := host.Differences(before, list)
		if more := len(what) - shownPackages; more > 0 {
			what = append(what[:shownPackages], fmt.Sprintf("and %d more", more))
		}
		s.Detail = strings.Join(what, ", ")
	}
	return []change.Sighting{s}, func() error {
		if err := book.KeepPackages(ctx, p.resource, list); err != nil {
			return err
		}
		p.mod, p.size, p.last = info.ModTime(), info.Size(), s
		return nil
	}, nil
}
