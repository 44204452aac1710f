package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"
)

// maxFile bounds a file, in bytes.
const maxFile = 2 << 30

// maxValues bounds how many samples a series of a test may stand for: "1+1x…" is short
// to write.
const maxValues = 10_000_000

// readFile reads a file of series by what stands in it.
func readFile(name string, size int64) (*Memory, string, error) {
	if size > maxFile {
		return nil, "", fmt.Errorf("%s has %d bytes: expected at most %d; a data folder or a server can be larger", name, size, maxFile)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, "", fmt.Errorf("cannot open history: %w", err)
	}
	m := NewMemory()
	switch kind(data) {
	case "test":
		return m, "the input series of " + name, readTest(m, name, data)
	case "load":
		return m, "the series that " + name + " loads", readLoad(m, name, string(data))
	}
	return m, "the samples in " + name, readText(m, name, data)
}

// kind looks at the first line that says something.
func kind(data []byte) string {
	for line := range bytes.Lines(data[:min(len(data), 64<<10)]) {
		line = bytes.TrimSpace(line)
		switch {
		case len(line) == 0 || line[0] == '#':
		case bytes.HasPrefix(line, []byte("load ")), bytes.HasPrefix(line, []byte("load\t")), string(line) == "clear":
			return "load"
		case isKey(line):
			return "test"
		default:
			return "text"
		}
	}
	return "text"
}

// isKey says whether a line begins a promtool unit test.
func isKey(line []byte) bool {
	for _, k := range []string{"---", "rule_files:", "evaluation_interval:", "group_eval_order:", "tests:", "fuzzy_compare:", "start_timestamp:"} {
		if bytes.HasPrefix(line, []byte(k)) {
			return true
		}
	}
	return false
}

// readText reads OpenMetrics, or Prometheus' text, with a time at each sample.
func readText(m *Memory, name string, data []byte) error {
	media := "text/plain; version=0.0.4"
	if bytes.HasSuffix(bytes.TrimSpace(data), []byte("# EOF")) {
		media = "application/openmetrics-text; version=1.0.0"
	}
	st := labels.NewSymbolTable()
	p, err := textparse.New(data, media, st, textparse.ParserOptions{FallbackContentType: media})
	if p == nil {
		return fmt.Errorf("cannot read %s: %w", name, err)
	}
	var ls labels.Labels
	n := 0
	for {
		e, err := p.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: after %d samples: %w; expected OpenMetrics, Prometheus text, promqltest's load, or a promtool unit test", name, n, err)
		}
		if e != textparse.EntrySeries {
			continue
		}
		n++
		_, at, v := p.Series()
		p.Labels(&ls)
		if at == nil {
			return fmt.Errorf("%s: sample %d of %s has no time: a history needs one at each sample", name, n, ls)
		}
		if err := m.Add(ls, Point{T: *at, V: v}); err != nil {
			return fmt.Errorf("%s: sample %d: %w", name, n, err)
		}
	}
}

// readLoad reads the "load" commands of promqltest; the other commands are passed over.
func readLoad(m *Memory, name, data string) error {
	loading, interval := false, time.Duration(0)
	for i, line := range strings.Split(data, "\n") {
		text := strings.TrimSpace(line)
		where := fmt.Sprintf("%s:%d", name, i+1)
		switch indented := text != line && (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")); {
		case text == "" || text[0] == '#':
		case !indented:
			rest, found := strings.CutPrefix(text, "load ")
			if loading = found; !found {
				continue
			}
			d, err := model.ParseDuration(strings.TrimSpace(rest))
			if err != nil || d <= 0 {
				return fmt.Errorf("%s: load: got %q, expected an interval such as 1m", where, rest)
			}
			interval = time.Duration(d)
		case loading:
			if err := m.describe(text, time.Unix(0, 0), interval); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
		}
	}
	return nil
}

// unitTest is the part of a promtool unit test that has series.
type unitTest struct {
	EvaluationInterval string `yaml:"evaluation_interval"`
	Tests              []struct {
		Name        string `yaml:"name"`
		Interval    string `yaml:"interval"`
		InputSeries []struct {
			Series string `yaml:"series"`
			Values string `yaml:"values"`
		} `yaml:"input_series"`
	} `yaml:"tests"`
}

// readTest reads the input series of the only test in a file.
func readTest(m *Memory, name string, data []byte) error {
	var u unitTest
	if err := yaml.Unmarshal(data, &u); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(u.Tests) != 1 {
		return fmt.Errorf("%s: tests: got %d, expected one: each has series of its own", name, len(u.Tests))
	}
	t := u.Tests[0]
	text := t.Interval
	if text == "" {
		text = u.EvaluationInterval
	}
	if text == "" {
		text = "1m"
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return fmt.Errorf("%s: tests[0].interval: got %q, expected a duration such as 1m", name, text)
	}
	for i, s := range t.InputSeries {
		if err := m.describe(s.Series+" "+s.Values, time.Unix(0, 0), time.Duration(d)); err != nil {
			return fmt.Errorf("%s: tests[0].input_series[%d]: %w", name, i, err)
		}
	}
	return nil
}

// describe adds a series in promqltest's notation.
func (m *Memory) describe(text string, from time.Time, interval time.Duration) error {
	if err := modest(text); err != nil {
		return err
	}
	ls, values, err := parser.NewParser(parser.Options{}).ParseSeriesDesc(text)
	if err != nil {
		return err
	}
	points := make([]Point, 0, len(values))
	for i, v := range values {
		if v.Omitted {
			continue
		}
		points = append(points, Point{T: from.Add(time.Duration(i) * interval).UnixMilli(), V: v.Value, Histogram: v.Histogram})
	}
	return m.Add(ls, points...)
}

// modest refuses a notation that stands for more values than anybody wants.
func modest(text string) error {
	total := 0
	for i := 0; i < len(text); i++ {
		if text[i] != 'x' {
			continue
		}
		n, digits := 0, 0
		for j := i + 1; j < len(text) && text[j] >= '0' && text[j] <= '9'; j++ {
			if n, digits = n*10+int(text[j]-'0'), digits+1; n > maxValues || digits > 9 {
				return fmt.Errorf("got x%s…, expected at most %d values", text[i+1:j+1], maxValues)
			}
		}
		total += n
	}
	if total > maxValues {
		return fmt.Errorf("got %d values, expected at most %d", total, maxValues)
	}
	return nil
}
