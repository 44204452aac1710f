package web

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/dashboard"
	"github.com/evenkeel/evenkeel/observe/logs"
)

// table fills a table: a row for each set of labels, a column for each query; or the
// fields of a LogsQL query.
func (p painter) table(ctx context.Context, v *panelView) error {
	limit := cmp.Or(v.Limit, usualRows)
	if q := v.Queries[0]; q.PromQL == "" {
		return p.fields(ctx, v, q, limit)
	}
	type row struct {
		labels map[string]string
		values []string
	}
	by := map[string]*row{}
	var order []string
	names := map[string]bool{}
	for i, q := range v.Queries {
		one := &panelView{Panel: v.Panel}
		one.Queries = []declare.PanelQuery{q}
		answers, err := p.reduced(ctx, one)
		if err != nil {
			return err
		}
		if len(v.Queries) == 1 { // the largest first
			slices.SortStableFunc(answers, func(a, b found) int { return cmp.Compare(value(b), value(a)) })
		}
		oneName := !slices.ContainsFunc(answers, func(f found) bool { return f.Labels["__name__"] != answers[0].Labels["__name__"] })
		for _, f := range answers {
			labels := maps.Clone(f.Labels)
			if len(v.Queries) > 1 || oneName { // it tells nothing apart
				delete(labels, "__name__")
			}
			key := seriesLabel(labels, nil)
			if by[key] == nil {
				by[key] = &row{labels, make([]string, len(v.Queries))}
				order = append(order, key)
			}
			for name := range labels {
				names[name] = true
			}
			by[key].values[i] = shown(value(f), v.Panel)
		}
	}
	head := slices.Sorted(maps.Keys(names))
	head = head[:min(len(head), openedColumns)]
	v.Columns = slices.Clone(head)
	for i, q := range v.Queries {
		name := dashboard.Title(q.Legend, p.scope)
		if name == "" || strings.Contains(name, "{{") {
			name = map[bool]string{true: "value", false: "value " + strconv.Itoa(i+1)}[len(v.Queries) == 1]
		}
		v.Columns = append(v.Columns, name)
	}
	for i, key := range order {
		if i == limit {
			v.More = len(order) - limit
			break
		}
		var cells []string
		for _, name := range head {
			cells = append(cells, by[key].labels[name])
		}
		v.Table = append(v.Table, append(cells, by[key].values...))
	}
	return nil
}

// fields fills a table with the rows of a LogsQL query.
func (p painter) fields(ctx context.Context, v *panelView, q declare.PanelQuery, limit int) error {
	if p.Logs == nil {
		return errors.New("there is no store of logs")
	}
	parsed, err := p.logQuery(dashboard.Expand(q.LogsQL, true, p.scope) + fmt.Sprintf(" | limit %d", limit+1))
	if err != nil {
		return err
	}
	fixed := parsed.IsFixedOutputFieldsOrder()
	var columns []string
	var rows []map[string]string
	err = p.Logs.Blocks(ctx, parsed, func(cs []logs.Column) bool {
		for i := range cs[0].Values {
			row := map[string]string{}
			for _, c := range cs {
				name := strings.Clone(c.Name)
				if name == "_stream_id" || c.Values[i] == "" && !fixed {
					continue
				}
				if !slices.Contains(columns, name) && len(columns) < openedColumns {
					columns = append(columns, name)
				}
				row[name] = strings.Clone(c.Values[i])
			}
			rows = append(rows, row)
		}
		return len(rows) <= limit
	})
	if err != nil {
		return err
	}
	v.Columns = columns
	if len(rows) > limit {
		rows, v.More = rows[:limit], 1
	}
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, name := range columns {
			cells[i] = row[name]
			if x, err := strconv.ParseFloat(row[name], 64); err == nil && v.Unit != "" {
				cells[i] = shown(x, v.Panel)
			}
		}
		v.Table = append(v.Table, cells)
	}
	return nil
}

// lines fills a panel of log lines.
func (p painter) lines(ctx context.Context, v *panelView) error {
	if p.Logs == nil {
		return errors.New("there is no store of logs")
	}
	limit := cmp.Or(v.Limit, usualLines)
	v.Lines = &logsPanel{}
	q, err := p.logQuery(dashboard.Expand(v.Queries[0].LogsQL, true, p.scope) + fmt.Sprintf(" | sort by (_time desc) limit %d", limit+1))
	if err != nil {
		return err
	}
	err = p.Logs.Each(ctx, q, func(row logs.Row) bool {
		v.Lines.Lines = append(v.Lines.Lines, lineOf(row))
		return true
	})
	slices.SortStableFunc(v.Lines.Lines, func(a, b logLine) int { return b.At.Compare(a.At) })
	p.lead(v.Lines.Lines)
	if v.Lines.More = len(v.Lines.Lines) > limit; v.Lines.More {
		v.Lines.Lines = v.Lines.Lines[:limit]
	}
	return err
}
