package web

import (
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/act/authority"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

type runbooksView struct {
	Page
	Runbooks []runbookLine
	Service  string
	Text     string // searched for, in the whole text
	Services []*declare.Service
	Any      bool // there are some, whatever the filter
}

type runbookLine struct {
	*declare.Runbook
	Risk  declare.Risk // the highest of its steps
	Alone int          // steps that this person runs without asking
	Stale bool         // nobody read it again in time
	Last  *act.Run
}

func (s *site) runbooks(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	ws, now := s.Workspace(), s.Now()
	v := runbooksView{Page: s.page(r, me, "Runbooks", "runbooks"), Service: r.URL.Query().Get("service"), Text: strings.TrimSpace(r.URL.Query().Get("q")), Services: ws.Services, Any: len(ws.Runbooks) > 0}
	runs, err := s.Runs.List(r.Context(), act.RunFilter{Limit: 500})
	if err != nil {
		return err
	}
	for _, rb := range ws.Runbooks {
		if v.Service != "" && !slices.Contains(rb.Services, declare.ServiceID(v.Service)) {
			continue
		}
		if v.Text != "" && !mentions(rb, v.Text) {
			continue
		}
		line := runbookLine{Runbook: rb, Risk: declare.RiskLow, Stale: !rb.VerifyBy.IsZero() && now.After(rb.VerifyBy)}
		for _, st := range rb.Steps {
			if st.Risk.Rank() > line.Risk.Rank() {
				line.Risk = st.Risk
			}
		}
		can, err := s.Guide.Can(r.Context(), now, me.Person, act.StartRun{Runbook: rb.Name})
		if err != nil {
			return err
		}
		for _, c := range can {
			if c.Verdict.OK() {
				line.Alone++
			}
		}
		if i := slices.IndexFunc(runs, func(r act.Run) bool { return r.Runbook == rb.Name }); i >= 0 {
			line.Last = &runs[i]
		}
		v.Runbooks = append(v.Runbooks, line)
	}
	return s.show(w, "runbooks", v)
}

type runbookView struct {
	Page
	Runbook   *declare.Runbook
	Steps     []stepView
	After     template.HTML // prose behind the last step
	Params    []paramField
	Incident  string // preselected
	Incidents []respond.Incident
	Runs      []act.Run
	Stale     bool
	// Certificate is what this person has earned for it.
	Certificate authority.Certificate
	// Ground says that a rehearsal is against a real fault.
	Ground bool
	Asks   int // steps that wait for an approval when this person runs it
}

// stepView is a step as its runbook's page shows it.
type stepView struct {
	declare.Step
	Prose template.HTML
	Alone bool
	Why   string
	// Approvers could give what is missing, nearest to the work first.
	Approvers []authority.Candidate
}

// paramField is one input of the start form.
type paramField struct {
	declare.Param
	Value    string
	Services []*declare.Service
}

func (s *site) runbook(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	return s.showRunbook(w, r, me, http.StatusOK, "", r.URL.Query())
}

// showRunbook renders the page; given are values for the start form, as the URL or a
// refused form has them.
func (s *site) showRunbook(w http.ResponseWriter, r *http.Request, me act.Identity, status int, problem string, given map[string][]string) error {
	ws := s.Workspace()
	rb := ws.Runbook(r.PathValue("name"))
	if rb == nil {
		return act.ErrNotFound
	}
	get := func(key string) string {
		if v := given[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	v := runbookView{
		Page: s.page(r, me, rb.Title, "runbooks"), Runbook: rb, Incident: get("incident"),
		Stale: !rb.VerifyBy.IsZero() && s.Now().After(rb.VerifyBy),
	}
	v.Problem = problem
	can, err := s.Guide.Can(r.Context(), s.Now(), me.Person, act.StartRun{Runbook: rb.Name})
	if err != nil {
		return err
	}
	for i, st := range rb.Steps {
		sv := stepView{Step: st, Prose: markdown([]byte(withoutTitle(st.Prose, rb.Title)))}
		if i < len(can) { // it may just have been changed
			sv.Alone, sv.Why, sv.Approvers = can[i].Verdict.OK(), can[i].Verdict.Why, can[i].Approvers
		}
		if !sv.Alone && !st.Rollback {
			v.Asks++
		}
		v.Steps = append(v.Steps, sv)
	}
	v.Ground = rb.Fault != "" && s.Workspace().Settings.Runner.Rehearsal != ""
	if v.Certificate, err = s.Guide.Certificate(r.Context(), me.Person, rb, s.Now()); err != nil {
		return err
	}
	v.After = markdown([]byte(epilogue(rb)))
	for _, p := range rb.Params {
		f := paramField{Param: p, Value: p.Default}
		if val, ok := given["p."+p.Name]; ok && len(val) > 0 {
			f.Value = val[0]
		}
		if p.Type == declare.ParamService {
			f.Services = ws.Services
		}
		v.Params = append(v.Params, f)
	}
	if v.Incidents, err = s.Incidents.List(r.Context(), respond.IncidentFilter{Active: true, Limit: 50}); err != nil {
		return err
	}
	if n, err := strconv.ParseInt(v.Incident, 10, 64); err == nil && !slices.ContainsFunc(v.Incidents, func(i respond.Incident) bool { return int64(i.Number) == n }) {
		if i, err := s.Incidents.Get(r.Context(), respond.Number(n)); err == nil {
			v.Incidents = append(v.Incidents, i)
		}
	}
	if v.Runs, err = s.Runs.List(r.Context(), act.RunFilter{Runbook: rb.Name, Limit: 10}); err != nil {
		return err
	}
	s.render(w, status, "runbook", v)
	return nil
}

// withoutTitle drops a first heading that says what the page's title says already.
func withoutTitle(prose, title string) string {
	first, rest, _ := strings.Cut(prose, "\n")
	if strings.HasPrefix(first, "# ") && strings.EqualFold(strings.TrimSpace(first[2:]), title) {
		return rest
	}
	return prose
}

// epilogue is what stands behind the last step, or all of it when there is none.
func epilogue(rb *declare.Runbook) string {
	src := string(rb.Source)
	if strings.HasPrefix(src, "---\n") {
		if _, rest, ok := strings.Cut(src[4:], "\n---\n"); ok {
			src = rest
		}
	}
	if len(rb.Steps) == 0 {
		return withoutTitle(strings.TrimSpace(src), rb.Title)
	}
	body := rb.Steps[len(rb.Steps)-1].Body
	i := strings.LastIndex(src, body)
	if body == "" || i < 0 {
		return ""
	}
	_, rest, _ := strings.Cut(src[i+len(body):], "\n") // the closing fence
	return strings.TrimSpace(rest)
}

func (s *site) startRun(w http.ResponseWriter, r *http.Request, me act.Identity) error {
	if err := form(r); err != nil {
		return err
	}
	rb := s.Workspace().Runbook(r.PathValue("name"))
	if rb == nil {
		return act.ErrNotFound
	}
	if may, why := account.MayRun(me, rb.Name); !may {
		return &act.DeniedError{Why: why}
	}
	start := act.StartRun{
		Runbook: rb.Name, Params: map[string]string{}, Mode: act.RunMode(r.PostFormValue("mode")), BreakGlass: strings.TrimSpace(r.PostFormValue("break_glass")), Token: me.Token, Service: me.Service,
	}
	for _, p := range rb.Params {
		value := strings.TrimSpace(r.PostFormValue("p." + p.Name))
		if p.Type == declare.ParamBool && value == "" {
			value = "false" // browsers leave an unticked box away
		}
		if value != "" {
			start.Params[p.Name] = value
		}
	}
	if text := r.PostFormValue("incident"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return &act.InvalidError{Field: "incident", Got: text, Want: "an incident's number"}
		}
		start.Incident = n
	}
	run, err := s.Runs.Start(r.Context(), s.Now(), me.Person, start)
	if err != nil {
		if message, theirs := said(err); theirs {
			status, _, _, _ := explainError(err)
			return s.showRunbook(w, r, me, status, message, r.PostForm)
		}
		return err
	}
	return after(w, r, "/runs/"+run.ID, "started")
}

// mentions says whether every word stands in a runbook, whatever its case.
func mentions(rb *declare.Runbook, text string) bool {
	all := strings.ToLower(rb.Name + "\n" + rb.Title + "\n" + strings.Join(rb.Tags, "\n") + "\n" + string(rb.Source))
	for _, w := range strings.Fields(strings.ToLower(text)) {
		if !strings.Contains(all, w) {
			return false
		}
	}
	return true
}
