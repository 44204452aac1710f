//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// liveRows is how many lines a second come while queries are answered.
const liveRows = 5_000

// logQuery is one of the questions.
type logQuery struct {
	what, text string
	from, to   time.Time
}

// hundredMillion fills our server and VictoriaLogs' own with the same rows of a day, and
// asks both while more rows come.
func (b *bench) hundredMillion(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(b.dir, "rows-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// About 40 bytes a row each, and as much again for merges.
	if err := roomFor(dir, 2*2*40*float64(b.LogRows)); err != nil {
		return err
	}
	to := time.Now().UTC().Truncate(time.Second)
	from := to.Add(-24 * time.Hour)
	var needle string
	type side struct {
		*process
		took, disk float64
		times      [][]float64
		answers    []string
	}
	sides := []*side{{}, {}}
	for i, start := range []func(context.Context, string) (*process, error){b.evenkeelIn, b.victoriaLogs} {
		own := filepath.Join(dir, fmt.Sprint(i))
		p, err := start(ctx, own)
		if err != nil {
			return err
		}
		defer p.stop()
		sides[i].process = p
		s := newLogStream(from, func(*rand.Rand) time.Duration { return 24 * time.Hour / time.Duration(b.LogRows+1) })
		begun := time.Now()
		sides[i].took, err = p.measure(func() error {
			const senders = 2
			bodies, failed := make(chan []byte, senders), make(chan error, senders)
			for range senders {
				go func() {
					var err error
					for body := range bodies {
						if err == nil && ctx.Err() == nil {
							err = pushLines(p.url, body)
						}
					}
					failed <- errors.Join(err, ctx.Err())
				}()
			}
			for sent := 0; sent < b.LogRows; sent += 10_000 {
				bodies <- s.next(make([]byte, 0, 3<<20), min(10_000, b.LogRows-sent))
				if sent <= b.LogRows/2 {
					needle = s.last
				}
			}
			close(bodies)
			var errs []error
			for range senders {
				errs = append(errs, <-failed)
			}
			return errors.Join(errs...)
		})
		if err != nil {
			return err
		}
		for deadline := time.Now().Add(2 * time.Minute); ; {
			n, err := countLogs(p.url)
			if err == nil && n == b.LogRows {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("%s has %d of %d rows: %w", p.name, n, b.LogRows, err)
			}
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
		}
		b.say("  %s took %s rows in %s", p.name, thousands(b.LogRows), time.Since(begun).Round(time.Second))
	}
	hour := to.Add(-time.Hour)
	queries := []logQuery{
		{"one trace's lines, in the whole day", `trace_id:=` + needle + ` | fields _time, service, _msg`, from, to},
		{"the newest 100 errors of a service", `{service="payments"} level:error | sort by (_time) desc | limit 100 | fields _time, _msg`, from, to},
		{"a phrase, counted in the last hour", `"connection refused" | count() n`, hour, to},
		{"errors by service, in the last hour", `level:error | stats by (service) count() n | sort by (service)`, hour, to},
		{"a regular expression, in the last hour", `_msg:~"took [12][0-9]{3} ms" | count() n`, hour, to},
		{"errors by hour, in the whole day", `level:error | stats by (_time:1h) count() n | sort by (_time)`, from, to},
		{"all rows by service and level", `* | stats by (service, level) count() n | sort by (service, level)`, from, to},
	}
	for _, s := range sides {
		s.times, s.answers = make([][]float64, len(queries)), make([]string, len(queries))
	}
	// More rows come meanwhile, to both; the questions are about the day before them.
	live, stop := context.WithCancel(ctx)
	defer stop()
	fed := make(chan error, 1)
	go func() {
		s := newLogStream(to.Add(time.Second), func(*rand.Rand) time.Duration { return time.Second / liveRows })
		for {
			s.at = time.Now().Add(-time.Second)
			body := s.next(nil, liveRows)
			for _, x := range sides {
				if err := pushLines(x.url, body); err != nil {
					fed <- fmt.Errorf("%s while it answers: %w", x.name, err)
					return
				}
			}
			if pause(live, time.Second) != nil {
				fed <- nil
				return
			}
		}
	}()
	const rounds = 20
	for round := range rounds + 1 { // the first warms up
		for k, q := range queries {
			for _, s := range sides {
				begun := time.Now()
				text, err := askLogs(ctx, s.url, q)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", s.name, q.what, err)
				}
				if round > 0 {
					s.times[k] = append(s.times[k], time.Since(begun).Seconds())
				}
				s.answers[k] = text
			}
		}
	}
	stop()
	if err := <-fed; err != nil {
		return err
	}
	for i, s := range sides { // all is on disk by now
		if s.disk, err = folderSize(filepath.Join(dir, fmt.Sprint(i))); err != nil {
			return err
		}
	}
	b.Section("Queries over " + thousands(b.LogRows) + " log rows")
	b.Text("%s rows of one day, sent to both servers; then %d times each question, in turn, while %s more lines a second come to both. Elapsed time, until the whole answer is there. Ours took %s CPU to take the rows in and has %s on disk, theirs %s and %s.", thousands(b.LogRows), rounds, thousands(liveRows), seconds(sides[0].took), size(sides[0].disk), seconds(sides[1].took), size(sides[1].disk))
	table := [][]string{{"", "Evenkeel: p50", "p99", "victoria-logs: p50", "p99", "the answers"}}
	same, worst, beside := 0, 0.0, []float64{}
	for k, q := range queries {
		answer := "the same"
		if sides[0].answers[k] != sides[1].answers[k] || sides[0].answers[k] == "" {
			answer = "**differ**"
			b.say("  %s: ours %.300q, theirs %.300q", q.what, sides[0].answers[k], sides[1].answers[k])
		} else {
			same++
		}
		mine, theirs := sides[0].times[k], sides[1].times[k]
		worst = max(worst, quantile(mine, 0.99))
		beside = append(beside, median(mine)/median(theirs))
		table = append(table, []string{q.what, seconds(median(mine)), seconds(quantile(mine, 0.99)), seconds(median(theirs)), seconds(quantile(theirs, 0.99)), answer})
	}
	b.Table(table...)
	b.Goal("queries over "+thousands(b.LogRows)+" rows that are answered as victoria-logs' own does, of "+fmt.Sprint(len(queries)), float64(same), false, float64(len(queries)), "")
	b.Goal("queries over these rows while more come: the slowest p99", worst, true, 10, " s")
	b.Goal("queries over these rows: p50 beside victoria-logs' own, the median question", median(beside), true, 1.25, " times")
	return nil
}

// askLogs returns the answer to a question.
func askLogs(ctx context.Context, base string, q logQuery) (string, error) {
	form := url.Values{"query": {q.text}, "start": {q.from.Format(time.RFC3339)}, "end": {q.to.Format(time.RFC3339)}, "timeout": {"2m"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/select/logsql/query?"+form.Encode(), nil)
	if err != nil {
		return "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the answer is %s: %.300s", res.Status, text)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Sort(lines) // without a sort pipe their order is open
	return strings.Join(lines, "\n"), err
}

// roomFor says whether a file system has so many bytes.
func roomFor(dir string, bytes float64) error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return err
	}
	if left := float64(fs.Bavail) * float64(fs.Bsize); left < bytes {
		return fmt.Errorf("%s has %s free, and this needs %s", dir, size(left), size(bytes))
	}
	return nil
}
