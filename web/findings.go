package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond/why"
)

// perPage is the length of one page of a list.
const perPage = 50

// pager is where one is in a long list.
type pager struct {
	Offset, Shown, Total int // Total -1: not known
	Prev, Next           string
}

// pageOf reads the offset of the URL.
func pageOf(r *http.Request) int {
	n, err := strconv.Atoi(r.URL.Query().Get("offset"))
	if err != nil || n < 0 || n > 1_000_000 {
		return 0
	}
	return n
}

func newPager(here string, offset, shown, total int, more bool) pager {
	p := pager{Offset: offset, Shown: shown, Total: total}
	if offset > 0 {
		prev := ""
		if offset > perPage {
			prev = strconv.Itoa(offset - perPage)
		}
		p.Prev = withQuery(here, "offset", prev)
	}
	if more {
		p.Next = withQuery(here, "offset", strconv.Itoa(offset+perPage))
	}
	return p
}

// paged is the part of a list that a page shows.
func paged[T any](all []T, r *http.Request) ([]T, pager) {
	at := min(pageOf(r), len(all))
	end := min(at+perPage, len(all))
	return all[at:end], newPager(r.URL.RequestURI(), at, end-at, len(all), end < len(all))
}

// says tells whether one of some texts holds a word that was looked for.
func says(word string, texts ...string) bool {
	return strings.Contains(strings.ToLower(strings.Join(texts, "\n")), strings.ToLower(strings.TrimSpace(word)))
}

type findingsView struct {
	Page
	State, Severity, Service, Detector, Text string
	Services                                 []*declare.Service
	Findings                                 []detect.Finding
	Pager                                    pager
}

func (s *site) findings(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	q := r.URL.Query()
	v := findingsView{
		Page: s.page(r, me, "Findings", "findings"), Services: s.Workspace().Services,
		State: q.Get("state"), Severity: q.Get("severity"), Service: q.Get("service"), Detector: q.Get("detector"), Text: q.Get("q"),
	}
	f := detect.Filter{
		Service: declare.ServiceID(v.Service), Severity: detect.Severity(v.Severity), Detector: v.Detector, Text: v.Text,
		Limit: perPage, Offset: pageOf(r),
	}
	switch v.State {
	case "all":
	case "resolved":
		open := false
		f.Open = &open
	default:
		open := true
		v.State, f.Open = "open", &open
	}
	found, total, err := s.Findings.List(r.Context(), f)
	if err != nil {
		return err
	}
	v.Findings = found
	v.Pager = newPager(v.Here, f.Offset, len(found), total, f.Offset+len(found) < total)
	return s.show(w, "findings", v)
}

type findingView struct {
	Page
	Finding  *detect.Finding
	Labels   []Link // name and value; the link lists findings like it
	Notes    [][2]string
	Chart    *Chart
	Why      []string
	Runbook  Link
	Mute     string    // the form of a silence on exactly it
	Labelled *labelled // nil: nobody keeps outcomes
	Timeline []journal.Fact
	Trace    *why.Trace // nil: nobody can say
}

func (s *site) finding(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ctx := r.Context()
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return act.ErrNotFound
	}
	f, err := s.Findings.Get(ctx, id)
	if err != nil {
		return err
	}
	v := findingView{Page: s.page(r, me, f.Name, "findings"), Finding: &f}
	for _, k := range sortedKeys(f.Labels) {
		v.Labels = append(v.Labels, Link{k + "=" + strconv.Quote(f.Labels[k]), withQuery("/findings", "state", "all", "q", f.Name)})
	}
	for _, k := range sortedKeys(f.Annotations) {
		v.Notes = append(v.Notes, [2]string{k, f.Annotations[k]})
	}
	var matchers []string
	for _, l := range v.Labels {
		matchers = append(matchers, l.Text)
	}
	v.Mute = withQuery("/silences", "matchers", strings.Join(matchers, ", "))
	v.Runbook = s.runbookLink(f.Runbook)
	v.Labelled = s.labelled(ctx, id)
	v.Why = whyFired(f)
	if f.Expr != "" {
		from, to := around(f.Since, f.ResolvedAt, s.Now())
		v.Chart = s.chart(ctx, "finding", "The query around that time", "", f.Expr, from, to)
		end := f.ResolvedAt
		if end.IsZero() {
			end = to
		}
		v.Chart.Shades = []ChartShade{{float64(f.Since.Unix()), float64(end.Unix()), "the finding held"}}
		if v.Chart.Marks, err = s.changeMarks(ctx, s.Workspace(), f.Service, from, to); err != nil {
			return err
		}
	}
	if err := s.traced(r, &v, f); err != nil {
		return err
	}
	if v.Timeline, err = s.timeline(ctx, f.Ref()); err != nil {
		return err
	}
	return s.show(w, "finding", v)
}

// whyFired says in words why there is this finding.
func whyFired(f detect.Finding) []string {
	var out []string
	switch f.Detector {
	case detect.DetectorObjective:
		out = append(out, "The error budget of the objective "+string(f.Objective)+" burns faster than its windows allow.")
	case detect.DetectorRule:
		out = append(out, "A rule of the workspace says that this must not be.")
	case detect.DetectorWorkspace:
		out = append(out, "The workspace folder has a version that is not valid. The last valid one stays in use.")
	case detect.DetectorSelf:
		out = append(out, "The program itself could not do something that it promises.")
	case detect.DetectorAlert:
		out = append(out, "Another system sent this alert to the Alertmanager API.")
	}
	if f.Expr != "" {
		out = append(out, "Its query had the value "+number(f.Value)+" when it opened.")
	}
	if wait := f.OpenedAt.Sub(f.Since); wait >= time.Second {
		out = append(out, "It held for "+duration(wait)+" before it became a finding.")
	}
	switch {
	case !f.Open():
		out = append(out, "It was seen resolved after "+duration(f.ResolvedAt.Sub(f.Since))+".")
	default:
		out = append(out, "It was last confirmed at "+f.SeenAt.UTC().Format("15:04:05")+" UTC, and stays open until it is seen resolved.")
	}
	switch f.Severity {
	case detect.Page:
		out = append(out, "Its severity asks for a person now: it opens or joins an incident.")
	case detect.Ticket:
		out = append(out, "Its severity asks for somebody's working hours: it waits in the team's queue.")
	case detect.Info:
		out = append(out, "Its severity asks for nobody.")
	}
	return out
}

// around is the time to draw for something that began and perhaps ended: a third
// more on the left, so that before and after can be told apart.
func around(began, ended, now time.Time) (from, to time.Time) {
	to = now
	if !ended.IsZero() {
		to = ended.Add(min(max(ended.Sub(began)/3, 2*time.Minute), 6*time.Hour))
		if to.After(now) {
			to = now
		}
	}
	lead := min(max(to.Sub(began)/3, 5*time.Minute), 12*time.Hour)
	return began.Add(-lead).Truncate(time.Second), to.Truncate(time.Second)
}

// runbookLink leads to a runbook of the workspace, or to its address elsewhere.
func (s *site) runbookLink(name string) Link {
	switch {
	case name == "":
		return Link{}
	case s.Workspace().Runbook(name) != nil:
		return Link{s.Workspace().Runbook(name).Title, "/runbooks/" + name}
	case safeLink(name) && name[0] != '/':
		return Link{name, name}
	}
	return Link{Text: name}
}

// timeline is what the journal says of a noun, oldest first.
func (s *site) timeline(ctx context.Context, ref journal.Ref) ([]journal.Fact, error) {
	facts, err := s.Journal.Facts(ctx, journal.Query{Ref: ref, Limit: 500})
	slices.Reverse(facts)
	return facts, err
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
