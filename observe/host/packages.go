package host

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// DpkgStatus is where dpkg keeps what is installed.
const DpkgStatus = "/var/lib/dpkg/status"

const (
	maxStatus   = 64 << 20 // bytes of the file
	maxPackages = 100_000
	maxField    = 300 // bytes of a name or a version
)

// Packages reads what is installed from a file as dpkg's status: the version of each
// package, by its name and architecture as in openssl:amd64. What is only configured, or
// half installed, is left out. It refuses a file of more than 64 MiB.
func Packages(r io.Reader) (map[string]string, error) {
	limited := &io.LimitedReader{R: r, N: maxStatus + 1}
	br := bufio.NewReaderSize(limited, 64<<10)
	out := map[string]string{}
	stanza := map[string]string{}
	keep := func() error {
		defer clear(stanza)
		// want, flag, state: what is wanted to go is there until it has gone.
		status := strings.Fields(stanza["Status"])
		if len(status) != 3 || status[2] != "installed" && !strings.HasPrefix(status[2], "triggers-") {
			return nil
		}
		if stanza["Package"] == "" || stanza["Version"] == "" {
			return fmt.Errorf("cannot read packages: package %q has no name or no version", stanza["Package"])
		}
		if len(out) == maxPackages {
			return fmt.Errorf("cannot read packages: there are more than %d", maxPackages)
		}
		out[stanza["Package"]+":"+stanza["Architecture"]] = stanza["Version"]
		return nil
	}
	for first := true; ; {
		part, prefix, err := br.ReadLine()
		if limited.N == 0 {
			return nil, fmt.Errorf("cannot read packages: the file has more than %d bytes", maxStatus)
		}
		if errors.Is(err, io.EOF) {
			return out, keep()
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read packages: %w", err)
		}
		begins := first // of a line; the rest of a long one is text
		first = !prefix
		if !begins {
			continue
		}
		line := string(part)
		if strings.TrimSpace(line) == "" {
			if err := keep(); err != nil {
				return nil, err
			}
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			continue // goes on with a field that has several lines: none of ours
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("cannot read packages: got %.60q, expected a field as Package: openssl", line)
		}
		switch name {
		case "Package", "Status", "Architecture", "Version":
			if value = strings.TrimSpace(value); len(value) > maxField {
				return nil, fmt.Errorf("cannot read packages: a %s of %d bytes, expected at most %d", name, len(value), maxField)
			}
			stanza[name] = value
		}
	}
}

// Digest names a set of packages and their versions in twelve letters.
func Digest(packages map[string]string) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(h, "%s %s\n", name, packages[name])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// Differences says in words what is other now than before, in the order of names.
func Differences(before, now map[string]string) (out []string) {
	all := maps.Clone(before)
	maps.Copy(all, now)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		was, had := before[name]
		is, has := now[name]
		name, _, _ = strings.Cut(name, ":")
		switch {
		case had && has && was != is:
			out = append(out, name+" "+was+" → "+is)
		case !had:
			out = append(out, name+" "+is+" (new)")
		case !has:
			out = append(out, name+" "+was+" (gone)")
		}
	}
	return out
}
