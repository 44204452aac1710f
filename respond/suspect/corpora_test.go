//go:build corpora

package suspect

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// corpus is a folder of public files. EVENKEEL_CORPORA says where they are.
func corpus(t *testing.T, name string) string {
	t.Helper()
	root := os.Getenv("EVENKEEL_CORPORA")
	if root == "" {
		t.Skip("EVENKEEL_CORPORA is not set: it names the folder with the public data")
	}
	dir := filepath.Join(root, name)
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func rows(file string) [][]string {
	f := must(os.Open(file))
	defer f.Close()
	return must(csv.NewReader(f).ReadAll())
}

func readJSON(file string, v any) {
	if err := json.Unmarshal(must(os.ReadFile(file)), v); err != nil {
		panic(err)
	}
}

// folder is a case in the format of --from, as text.
type folder struct {
	metrics, edges, changes strings.Builder
	about                   map[string]any
}

func newFolder() *folder {
	f := &folder{about: map[string]any{}}
	f.metrics.WriteString("time,resource,metric,value\n")
	return f
}

func (f *folder) sample(t int64, resource, metric, value string) {
	fmt.Fprintf(&f.metrics, "%d,%q,%q,%s\n", t, resource, metric, value)
}

func (f *folder) edge(caller, callee string) {
	if f.edges.Len() == 0 {
		f.edges.WriteString("caller,callee\n")
	}
	fmt.Fprintf(&f.edges, "%q,%q\n", caller, callee)
}

func (f *folder) change(at int64, resource, kind, summary string) {
	b := must(json.Marshal(map[string]any{"time": at, "resource": resource, "kind": kind, "summary": summary}))
	f.changes.Write(append(b, '\n'))
}

// read writes the folder out and reads it with the reader that the command has.
func (f *folder) read(t *testing.T) Case {
	dir := t.TempDir()
	write := func(name, text string) {
		if text != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("metrics.csv", f.metrics.String())
	write("edges.csv", f.edges.String())
	write("changes.jsonl", f.changes.String())
	write("case.json", string(must(json.Marshal(f.about))))
	c, err := Read(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// trial is a case with its answer: "" when nothing is wrong.
type trial struct {
	name, answer string
	c            Case
}

// result of a set of trials.
type tally struct {
	n, top1, top3  int
	top5           int
	avg5           float64
	quiet, nobody  int
	changes, named int // trials with the change that did it; it is the first suspect's
	took           time.Duration
}

func (x *tally) add(t *testing.T, tr trial, change string) {
	start := time.Now()
	r := Rank(tr.c)
	x.took += time.Since(start)
	if tr.answer == "" {
		x.quiet++
		if r.Verdict == Nobody {
			x.nobody++
		} else if os.Getenv("VERBOSE") != "" {
			t.Logf("  %s: blamed %s", tr.name, brief(r))
		}
		return
	}
	x.n++
	r.Suspects = append(r.Suspects, r.Weak...) // as the command prints them
	at := slices.IndexFunc(r.Suspects, func(s Suspect) bool { return s.Resource == tr.answer })
	if at == 0 {
		x.top1++
	}
	if at >= 0 && at < 3 {
		x.top3++
	}
	if at >= 0 && at < 5 {
		x.top5++
	}
	for k := 1; k <= 5; k++ {
		if at >= 0 && at < k {
			x.avg5 += 0.2
		}
	}
	if change != "" {
		x.changes++
		if len(r.Suspects) > 0 && r.Suspects[0].Change != nil && r.Suspects[0].Change.Summary == change {
			x.named++
		}
	}
	if at != 0 && os.Getenv("VERBOSE") != "" {
		t.Logf("  %s: want %s, got %d of %s", tr.name, tr.answer, at, brief(r))
	}
}

func brief(r Result) string {
	var out []string
	for _, s := range r.Suspects[:min(5, len(r.Suspects))] {
		e := ""
		if len(s.Evidence) > 0 {
			e = fmt.Sprintf(" %s z=%.1f", s.Evidence[0].Text, s.Evidence[0].Weight)
		}
		out = append(out, fmt.Sprintf("%s %.2f%s", s.Resource, s.Score, e))
	}
	return strings.Join(out, " | ")
}

func (x tally) String() string {
	s := ""
	if x.n > 0 {
		s += fmt.Sprintf("%3d cases: top-1 %.2f  top-3 %.2f  top-5 %.2f  Avg@5 %.2f", x.n, float64(x.top1)/float64(x.n), float64(x.top3)/float64(x.n), float64(x.top5)/float64(x.n), x.avg5/float64(x.n))
	}
	if x.changes > 0 {
		s += fmt.Sprintf("  change named %.2f of %d", float64(x.named)/float64(x.changes), x.changes)
	}
	if x.quiet > 0 {
		s += fmt.Sprintf("  quiet %d: nobody blamed %.2f", x.quiet, float64(x.nobody)/float64(x.quiet))
	}
	return s + fmt.Sprintf("  %.4f s a case", x.took.Seconds()/float64(x.n+x.quiet))
}

// petshop makes the trials of one traffic level. what is the metric of the target.
func petshop(t *testing.T, traffic string, variant string) map[string][]trial {
	dir := filepath.Join(corpus(t, "petshop"), traffic)
	graph := rows(filepath.Join(dir, "graph.csv"))
	quiet := rows(filepath.Join(dir, "noissue", "metrics.csv"))
	add := func(f *folder, table [][]string, from, to int) {
		for _, r := range table[4+from : 4+to] {
			for j := 1; j < len(r); j++ {
				if variant == "average" && table[2][j] != "Average" && table[1][j] != "requests" {
					continue
				}
				f.sample(seconds(r[0]), table[0][j], table[1][j]+"_"+table[2][j], r[j])
			}
		}
	}
	edges := func(f *folder) {
		for _, r := range graph[1:] {
			for j, v := range r[1:] {
				if x, err := strconv.ParseFloat(v, 64); err == nil && x != 0 {
					f.edge(r[0], graph[0][j+1])
				}
			}
		}
	}
	out := map[string][]trial{}
	issues := must(filepath.Glob(filepath.Join(dir, "train", "issue_*")))
	for _, issue := range issues {
		var about struct {
			Target struct {
				Node, Metric string
				Timestamp    int64
			}
			Root struct{ Node string } `json:"root_cause"`
		}
		readJSON(filepath.Join(issue, "target.json"), &about)
		f := newFolder()
		add(f, quiet, 0, len(quiet)-4)
		table := rows(filepath.Join(issue, "metrics.csv"))
		add(f, table, 0, len(table)-4)
		edges(f)
		f.about = map[string]any{"onset": about.Target.Timestamp, "quiet_from": seconds(quiet[4][0]), "quiet_to": seconds(quiet[len(quiet)-1][0]), "target": about.Target.Node}
		if variant == "no onset" {
			delete(f.about, "onset")
		}
		out[about.Target.Metric] = append(out[about.Target.Metric], trial{traffic + "/" + filepath.Base(issue), about.Root.Node, f.read(t)})
	}
	n := len(quiet) - 4
	for i := range 16 { // windows of quiet time, against the rest of it
		from := n/2 + i*(n/2-6)/16
		f := newFolder()
		add(f, quiet, 0, from)
		add(f, quiet, from, from+5)
		edges(f)
		f.about = map[string]any{"onset": seconds(quiet[4+from+1][0]) + 180, "quiet_from": seconds(quiet[4][0]), "quiet_to": seconds(quiet[4+from-1][0]), "target": "PetSite"}
		out["quiet"] = append(out["quiet"], trial{fmt.Sprintf("%s/quiet %d", traffic, i), "", f.read(t)})
	}
	return out
}

func seconds(s string) int64 { return int64(must(strconv.ParseFloat(s, 64))) }

// sockshop makes the trials of RCD's Sock Shop: two days, one normal, one with a fault.
func sockshop(t *testing.T) (cpu, mem, quiet []trial) {
	dir := corpus(t, "rcd-sockshop")
	for _, one := range must(filepath.Glob(filepath.Join(dir, "*", "*"))) {
		name := filepath.Base(filepath.Dir(one))
		cut := strings.LastIndexByte(name, '-')
		service, fault := name[:cut], name[cut+1:]
		normal, bad := rows(filepath.Join(one, "normal.csv")), rows(filepath.Join(one, "anomalous.csv"))
		add := func(f *folder, table [][]string, from, to int) {
			for _, r := range table[from:to] {
				for j := 1; j < len(r); j++ {
					resource, metric, _ := strings.Cut(table[0][j], "_")
					f.sample(seconds(r[0]), resource, metric, r[j])
				}
			}
		}
		f := newFolder()
		add(f, normal, 1, len(normal))
		add(f, bad, 1, len(bad))
		f.about = map[string]any{"onset": seconds(bad[1][0]), "quiet_from": seconds(normal[1][0]), "quiet_to": seconds(normal[len(normal)-1][0])}
		tr := trial{name + "/" + filepath.Base(one), service, f.read(t)}
		if fault == "cpu" {
			cpu = append(cpu, tr)
		} else {
			mem = append(mem, tr)
		}
		f = newFolder()
		add(f, normal, 1, len(normal))
		half := len(normal) * 6 / 10
		f.about = map[string]any{"onset": seconds(normal[half][0]), "quiet_from": seconds(normal[1][0]), "quiet_to": seconds(normal[half-1][0])}
		quiet = append(quiet, trial{name + "/quiet", "", f.read(t)})
	}
	return cpu, mem, quiet
}

// nezha makes the trials of Online Boutique: minutes of ten pods, a fault every eight.
func nezha(t *testing.T, before time.Duration, target string) (faults, quiet []trial) {
	for _, day := range []string{"2022-08-22", "2022-08-23"} {
		dir := filepath.Join(corpus(t, "nezha-online-boutique"), day)
		var list map[string][]struct {
			Time string `json:"inject_time"`
			Pod  string `json:"inject_pod"`
			Type string `json:"inject_type"`
		}
		readJSON(filepath.Join(dir, day+"-fault_list.json"), &list)
		type sample struct {
			at                     int64
			resource, metric, text string
		}
		var all []sample
		for _, file := range must(filepath.Glob(filepath.Join(dir, "metric", "*_metric.csv"))) {
			table := rows(file)
			for _, r := range table[1:] {
				at := must(time.Parse("2006-01-02 15:04:05", r[0][:19])).Unix()
				for j := 3; j < len(r); j++ {
					all = append(all, sample{at, r[2], table[0][j], r[j]})
				}
			}
		}
		deps := rows(filepath.Join(dir, "metric", "dependency.csv"))
		make := func(onset, from, to int64) Case {
			f := newFolder()
			for _, s := range all {
				if s.at >= from && s.at < to {
					f.sample(s.at, s.resource, s.metric, s.text)
				}
			}
			for _, d := range deps[1:] {
				f.edge(d[0], d[1])
			}
			f.about = map[string]any{"onset": onset, "quiet_from": from, "quiet_to": onset - 1}
			if target != "" {
				f.about["target"] = target
			}
			return f.read(t)
		}
		hours := sorted(list)
		for _, h := range hours {
			for _, x := range list[h] {
				at := must(time.Parse("2006-01-02 15:04:05", x.Time)).Unix()
				from := at - int64(before.Seconds())
				faults = append(faults, trial{x.Time + " " + x.Type, x.Pod, make(at, from, at+360)})
				quiet = append(quiet, trial{x.Time + " before", "", make(at-180, from-180, at)})
			}
		}
	}
	return faults, quiet
}

func sorted[T any](m map[string]T) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, cmp.Compare[string])
	return out
}

// opensre makes the trials of OpenSRE's Kubernetes incidents: records and events, no
// metrics. What is known of the answer is whether anything is wrong.
func opensre(t *testing.T) []trial {
	var out []trial
	for _, dir := range must(filepath.Glob(filepath.Join(corpus(t, "opensre"), "eks", "*"))) {
		var alert struct{ CommonLabels map[string]string }
		var events struct {
			List []struct {
				Reason, Message string
				Count           int
				Object          string    `json:"involved_object"`
				First           time.Time `json:"first_time"`
				Last            time.Time `json:"last_time"`
			} `json:"warning_events"`
		}
		var logs struct {
			Logs []struct {
				Timestamp                time.Time
				Message, Status, Service string
			}
		}
		readJSON(filepath.Join(dir, "alert.json"), &alert)
		for file, v := range map[string]any{"eks_events.json": &events, "datadog_logs.json": &logs} {
			if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
				readJSON(filepath.Join(dir, file), v)
			}
		}
		tr := trial{name: filepath.Base(dir), answer: "?"}
		if strings.Contains(string(must(os.ReadFile(filepath.Join(dir, "answer.yml")))), "root_cause_category: healthy") {
			tr.answer = ""
		}
		workload := alert.CommonLabels["workload_name"]
		tr.c.Target = workload
		for _, e := range events.List {
			object := e.Object[strings.IndexByte(e.Object, '/')+1:]
			if strings.HasPrefix(object, workload) {
				object = workload
			}
			for i := range max(1, min(e.Count, 50)) {
				at := e.First.Add(e.Last.Sub(e.First) * time.Duration(i) / time.Duration(max(1, e.Count-1)))
				tr.c.Logs = append(tr.c.Logs, Log{At: at, Resource: object, Severity: "warning", Body: e.Reason + ": " + e.Message})
			}
		}
		for _, l := range logs.Logs {
			tr.c.Logs = append(tr.c.Logs, Log{At: l.Timestamp, Resource: l.Service, Severity: l.Status, Body: l.Message})
		}
		out = append(out, tr)
	}
	return out
}

// TestCorporaOpenSRE prints in how many of OpenSRE's incidents the verdict is right.
func TestCorporaOpenSRE(t *testing.T) {
	right, quiet, calm := 0, 0, 0
	trials := opensre(t)
	for _, tr := range trials {
		r := Rank(tr.c)
		wrong := (r.Verdict == Nobody) != (tr.answer == "")
		if tr.answer == "" {
			quiet++
			if !wrong {
				calm++
			}
		} else if !wrong {
			right++
		}
		if wrong {
			t.Logf("  %s: %s %s", tr.name, r.Verdict, brief(r))
		}
	}
	t.Logf("%-44s somebody blamed in %d of %d that are ill, nobody in %d of %d that are well", "OpenSRE EKS", right, len(trials)-quiet, calm, quiet)
}

// withChanges adds, to a copy of a case, the change that did it right before the onset,
// and changes of others around it, innocent all.
func withChanges(tr trial, seed uint64, guilty bool, bystanders int) (trial, string) {
	rng := rand.New(rand.NewPCG(seed, 7))
	resources := map[string]bool{}
	for _, s := range tr.c.Signals {
		resources[s.Resource] = true
	}
	names := sorted(resources)
	c := tr.c
	c.Changes = nil
	c.Signals = slices.Clone(c.Signals)
	did := ""
	if c.Onset.IsZero() {
		return tr, did
	}
	if guilty && tr.answer != "" {
		did = "the one that did it"
		c.Changes = append(c.Changes, Change{Kind: "deploy", Summary: did, Resources: []string{tr.answer}, At: c.Onset.Add(-time.Duration(rng.IntN(150)+5) * time.Second)})
	}
	for i := range bystanders {
		r := names[rng.IntN(len(names))]
		if r == tr.answer {
			continue
		}
		before := time.Duration(rng.IntN(30*60)) * time.Second
		if i%3 == 0 {
			before = time.Duration(rng.IntN(120)) * time.Second
		}
		kind := []string{"deploy", "config", "flag", "scale"}[rng.IntN(4)]
		c.Changes = append(c.Changes, Change{Kind: kind, Summary: fmt.Sprint("bystander ", i), Resources: []string{r}, At: c.Onset.Add(-before)})
	}
	if tr.answer != "" { // an old one of the root itself
		c.Changes = append(c.Changes, Change{Kind: "deploy", Summary: "old", Resources: []string{tr.answer}, At: c.Onset.Add(-5 * time.Hour)})
	}
	tr.c = c
	return tr, did
}

type set struct {
	name, bar string
	trials    []trial
}

// sets are all of them, with the bar that is published for each.
func sets(t *testing.T) []set {
	var out []set
	for _, traffic := range []string{"low_traffic", "high_traffic"} {
		bars := map[string]string{
			"low_traffic latency": "top-1 .57, top-3 .57", "high_traffic latency": "top-1 .57, top-3 .79",
			"low_traffic availability": "top-1 .83, top-3 1.0", "high_traffic availability": "top-1 .67, top-3 1.0",
			"low_traffic quiet": "right .17 to .33", "high_traffic quiet": "right .17 to .33",
		}
		// As it is; and with what a case may lack: other statistics than the mean, an onset.
		for _, variant := range []string{"all", "average", "no onset"} {
			p := petshop(t, traffic, variant)
			for _, what := range []string{"latency", "availability", "quiet"} {
				if variant == "all" || what != "quiet" {
					out = append(out, set{"PetShop " + traffic + " " + what + ", " + variant, bars[traffic+" "+what], p[what]})
				}
			}
		}
	}
	cpu, mem, quiet := sockshop(t)
	out = append(out, set{"RCD Sock Shop cpu", "Avg@5 .99", cpu}, set{"RCD Sock Shop mem", "Avg@5 .99", mem}, set{"RCD Sock Shop quiet", "none published", quiet})
	for _, v := range []struct {
		before time.Duration
		target string
	}{{7 * time.Minute, ""}, {7 * time.Minute, "frontend"}, {30 * time.Minute, ""}} {
		faults, calm := nezha(t, v.before, v.target)
		name := strings.TrimSpace("Nezha, " + v.before.String() + " before " + v.target)
		out = append(out, set{name, "metrics only: AS@1 .16, AS@3 .63, AS@5 .93", faults}, set{name + ", quiet", "none published", calm})
	}
	return out
}

// TestCorporaSuspects prints how well causes are found in public incidents, beside the
// published bars: one configuration for all. Each set is tried again with innocent
// changes around the onset, and with the one that did it among them. VERBOSE=1 names
// the cases that go wrong.
func TestCorporaSuspects(t *testing.T) {
	for _, s := range sets(t) {
		var plain, innocent, guilty tally
		for i, tr := range s.trials {
			plain.add(t, tr, "")
			x, _ := withChanges(tr, uint64(i), false, 20)
			innocent.add(t, x, "")
			x, did := withChanges(tr, uint64(i), true, 20)
			if did != "" {
				guilty.add(t, x, did)
			}
		}
		t.Logf("%-42s %s   [%s]", s.name, plain, s.bar)
		t.Logf("%-42s %s", "   + 20 innocent changes", innocent)
		if guilty.n > 0 {
			t.Logf("%-42s %s", "   + the change that did it among them", guilty)
		}
		if plain.n > 0 && plain.top3 == 0 || plain.quiet > 0 && plain.nobody == 0 {
			t.Errorf("%s: never right", s.name)
		}
	}
}

// perturbed is a case as somebody else might have written it down: a tenth of the
// signals is missing, the onset is off by up to two minutes, or the incident was detected
// two minutes late, and the quiet window ends there.
func perturbed(tr trial, seed uint64, how string) trial {
	rng := rand.New(rand.NewPCG(seed, 11))
	c := tr.c
	switch how {
	case "without a tenth of the signals":
		c.Signals = slices.DeleteFunc(slices.Clone(c.Signals), func(Signal) bool { return rng.IntN(10) == 0 })
	case "detected 2 minutes late":
		gap := c.Onset.Sub(c.To)
		c.Onset = c.Onset.Add(2 * time.Minute)
		if gap > 0 && gap < time.Hour { // the same day
			c.To = c.Onset.Add(-gap)
		}
	case "onset off by up to 2 minutes":
		c.Onset = c.Onset.Add(time.Duration(rng.IntN(241)-120) * time.Second)
		if !c.To.Before(c.Onset) && c.From.Before(c.Onset) {
			c.To = c.Onset.Add(-time.Second)
		}
	}
	tr.c = c
	return tr
}

// TestCorporaSuspectsHold prints the same for cases that nobody chose anything by:
// perturbed ones, and each half of Nezha's.
func TestCorporaSuspectsHold(t *testing.T) {
	faults, calm := nezha(t, 7*time.Minute, "")
	cpu, mem, quiet := sockshop(t)
	for _, how := range []string{"without a tenth of the signals", "onset off by up to 2 minutes", "detected 2 minutes late"} {
		for _, of := range []struct {
			name   string
			trials [][]trial
		}{{"Nezha", [][]trial{faults, calm}}, {"Sock Shop", [][]trial{cpu, mem, quiet}}} {
			var x tally
			for i, tr := range slices.Concat(of.trials...) {
				x.add(t, perturbed(tr, uint64(i), how), "")
			}
			t.Logf("%-42s %s", of.name+", "+how, x)
		}
	}
	for half := range 2 {
		var x tally
		for i, tr := range faults {
			if i%2 == half {
				x.add(t, tr, "")
			}
		}
		t.Logf("%-42s %s", fmt.Sprintf("Nezha, half %d", half+1), x)
		if x.top3 == 0 {
			t.Error("never right")
		}
	}
}
