package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// logQuery is what --logs adds to query.
type logQuery struct {
	on, follow bool
	limit      int
}

func (l *logQuery) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&l.on, "logs", false, "EXPR is LogsQL, and log lines answer")
	f.BoolVarP(&l.follow, "follow", "f", false, "with --logs: print lines as they come, until interrupted")
	f.IntVar(&l.limit, "limit", 100, "with --logs and --traces: the newest so many; 0 for all lines")
}

// logRow is one answer of a LogsQL query: a log line, or a group of a stats pipe.
type logRow map[string]string

// run asks the server. Without --from it is the last hour.
func (l *logQuery) run(cmd *cobra.Command, r *remote, expr string, from, to timeFlag) error {
	if strings.TrimSpace(expr) == "" {
		return errors.New("cannot query logs: the expression is empty (* finds every line)")
	}
	c, err := r.client(cmd)
	if err != nil {
		return err
	}
	if l.follow {
		if !to.t.IsZero() {
			return errors.New("cannot follow logs: --to has no meaning with --follow")
		}
		q := values("query", expr)
		if !from.t.IsZero() {
			q.Set("start_offset", strconv.FormatInt(max(0, int64(time.Since(from.t).Seconds())), 10)+"s")
		}
		return c.lines(cmd.Context(), "follow logs", "/select/logsql/tail", q, 0, func(row logRow) error {
			return l.line(cmd.OutOrStdout(), r, row)
		})
	}
	if from.t.IsZero() {
		from.t = time.Now().Add(-time.Hour)
	}
	q := values("query", expr, "start", from.t.UTC().Format(time.RFC3339Nano), "limit", strconv.Itoa(l.limit))
	if !to.t.IsZero() {
		if !to.t.After(from.t) {
			return errors.New("cannot query logs: --to is not after --from")
		}
		q.Set("end", to.t.UTC().Format(time.RFC3339Nano))
	}
	if l.limit <= 0 {
		q.Del("limit")
	}
	rows := []logRow{}
	if err := c.lines(cmd.Context(), "query logs", "/select/logsql/query", q, c.wait, func(row logRow) error {
		rows = append(rows, row)
		return nil
	}); err != nil {
		return err
	}
	slices.SortStableFunc(rows, func(a, b logRow) int { return strings.Compare(a["_time"], b["_time"]) })
	raw, err := asJSON(rows)
	if err != nil {
		return err
	}
	if err := r.format.print(cmd, raw, func(w io.Writer) {
		if len(rows) > 0 {
			logTable(rows).write(w)
		}
	}); err != nil {
		return err
	}
	if r.format.name == formatTable && len(rows) == 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "No line answers since %s.\n", from.t.Format("2006-01-02 15:04"))
	}
	return nil
}

// line prints one line of a live tail.
func (l *logQuery) line(w io.Writer, r *remote, row logRow) error {
	if r.format.name != formatTable {
		raw, err := asJSON(row)
		if err == nil {
			_, err = w.Write(raw)
		}
		return err
	}
	_, err := fmt.Fprintln(w, strings.Join([]string{row.when(), printable(row.service()), printable(row.severity()), printable(row["_msg"])}, "  "))
	return err
}

func (row logRow) when() string {
	t, err := time.Parse(time.RFC3339Nano, row["_time"])
	if err != nil {
		return row["_time"]
	}
	return t.Local().Format("2006-01-02 15:04:05.000") //nolint:gosmopolitan // the person's own clock
}

func (row logRow) first(names ...string) string {
	for _, n := range names {
		if row[n] != "" {
			return row[n]
		}
	}
	return ""
}

func (row logRow) service() string {
	return row.first("service.name", "service_name", "service", "app", "job")
}

func (row logRow) severity() string {
	return row.first("severity", "level", "severity_text", "detected_level")
}

// logTable shows lines as lines, and everything else as the columns it has.
func logTable(rows []logRow) *table {
	if slices.ContainsFunc(rows, func(r logRow) bool { return r["_msg"] != "" }) {
		t := columns("TIME", "SERVICE", "SEVERITY", "MESSAGE")
		for _, r := range rows {
			t.row(r.when(), r.service(), r.severity(), r["_msg"])
		}
		return t
	}
	names := map[string]bool{}
	for _, r := range rows {
		for k := range r {
			if k != "_stream_id" {
				names[k] = true
			}
		}
	}
	head := slices.Sorted(maps.Keys(names))
	t := columns(head...)
	for _, r := range rows {
		cells := make([]string, len(head))
		for i, n := range head {
			cells[i] = r[n]
		}
		t.row(cells...)
	}
	return t
}

const maxLine = 4 << 20

// lines reads an answer that is one JSON object a line. A wait of 0 is for an answer
// that does not end.
func (c *client) lines(ctx context.Context, what, path string, q url.Values, wait time.Duration, take func(logRow) error) error {
	if wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, wait)
		defer cancel()
	}
	req, err := c.request(ctx, http.MethodGet, path, q, nil)
	if err != nil {
		return fmt.Errorf("cannot %s: %w", what, err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(what, err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		raw, _ := io.ReadAll(io.LimitReader(res.Body, maxLine))
		return refused(what, res, raw)
	}
	scan := bufio.NewScanner(res.Body)
	scan.Buffer(make([]byte, 64<<10), maxLine)
	for scan.Scan() {
		if len(scan.Bytes()) == 0 {
			continue
		}
		var row logRow
		if err := json.Unmarshal(scan.Bytes(), &row); err != nil {
			return fmt.Errorf("cannot %s: the answer broke off: %w", what, err)
		}
		if err := take(row); err != nil {
			return err
		}
	}
	if err := scan.Err(); err != nil {
		if wait == 0 && ctx.Err() != nil {
			return nil // interrupted: that is how following ends
		}
		return c.unreachable(what, err)
	}
	return nil
}
