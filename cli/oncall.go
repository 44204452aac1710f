package cli

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	calendar "github.com/evenkeel/evenkeel/declare/oncall"
	"github.com/evenkeel/evenkeel/respond"
	"github.com/evenkeel/evenkeel/respond/oncall"
)

func init() { verbs = append(verbs, newOnCall) }

var (
	schedules = known("/oncall", nil, func(d api.OnCallDuty) (string, string) { return d.Schedule, "of " + string(d.Team) })
	overrides = known("/oncall/overrides", nil, func(o respond.DutyOverride) (string, string) {
		return fmt.Sprint(o.ID), fmt.Sprintf("%s: %s in %s", o.Kind, o.Person, o.Schedule)
	})
)

func newOnCall() *cobra.Command {
	cmd := &cobra.Command{
		Use: "oncall", GroupID: "respond", Short: "Say who is on call; change, swap, import and export shifts",
		Example: "  evenkeel oncall who --team payments --at +3d\n  evenkeel oncall schedule shop\n  evenkeel oncall override add shop bob --from \"2026-12-24 09:00\" --to \"2026-12-27 09:00\"",
	}
	r := newRemote(cmd)
	cmd.AddCommand(onCallWho(r), onCallExplain(r), onCallSchedule(r), onCallGaps(r), onCallOverride(r), onCallSwap(r), onCallCalendar(r), onCallLoad(r))
	return cmd
}

func onCallWho(r *remote) *cobra.Command {
	var team string
	var at timeFlag
	who := &cobra.Command{
		Use: "who", Args: cobra.NoArgs, Short: "Say who is on call, until when, who is next, and which line says so",
		Example: "  evenkeel oncall who\n  evenkeel oncall who --team payments --at \"2026-12-24 20:00\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "say who is on call", "/oncall", values("team", team, "at", at.rfc()), "There is no schedule.", dutyTable)
		},
	}
	who.Flags().StringVar(&team, "team", "", "only this team")
	who.Flags().Var(&at, "at", "then instead of now")
	r.liveFlag(who, "team", teams)
	return who
}

const minutely = "Mon 2006-01-02 15:04"

func here(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format(minutely) //nolint:gosmopolitan // the person's own clock
}

func dutyTable(items []api.OnCallDuty) *table {
	t := columns("TEAM", "SCHEDULE", "ON CALL", "NAME", "UNTIL", "NEXT", "SHADOWS", "BY")
	for _, d := range items {
		t.row(string(d.Team), d.Schedule, somebody(d.Person), d.Name, here(d.Until), string(d.Next), join(d.Shadows), d.Why)
	}
	return t
}

func somebody(p declare.PersonID) string {
	if p == "" {
		return "nobody"
	}
	return string(p)
}

func shiftTable(items []api.OnCallShift) *table {
	t := columns("SCHEDULE", "FROM", "TO", "ON CALL", "BY")
	for _, x := range items {
		t.row(x.Schedule, here(x.From), here(x.To), somebody(x.Person), x.Why)
	}
	return t
}

func onCallSchedule(r *remote) *cobra.Command {
	var from, to timeFlag
	var person string
	cmd := &cobra.Command{
		Use: "schedule [NAME]", Aliases: []string{"shifts"}, Args: cobra.MaximumNArgs(1), ValidArgsFunction: r.live(schedules), Short: "Show the shifts of the next two weeks, or of another time",
		Example: "  evenkeel oncall schedule shop\n  evenkeel oncall schedule --person alice --to +60d -o json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return list(cmd, r, "show shifts", "/oncall/shifts", values("schedule", strings.Join(args, ""), "person", person, "from", from.rfc(), "to", to.rfc()), "There are no shifts.", shiftTable)
		},
	}
	f := cmd.Flags()
	f.Var(&from, "from", "begin then instead of now")
	f.Var(&to, "to", "end then (default two weeks later)")
	f.StringVar(&person, "person", "", "only this person's")
	r.liveFlag(cmd, "person", people)
	return cmd
}

func onCallGaps(r *remote) *cobra.Command {
	to := timeFlag{}
	cmd := &cobra.Command{
		Use: "gaps [NAME]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: r.live(schedules), Short: "Show when nobody is on call in the next 30 days; exit code 1 when there is such a time",
		Example: "  evenkeel oncall gaps\n  evenkeel oncall gaps shop --to +90d",
		RunE: func(cmd *cobra.Command, args []string) error {
			if to.t.IsZero() {
				to.t = time.Now().Add(30 * 24 * time.Hour)
			}
			found := 0
			err := list(cmd, r, "look for gaps", "/oncall/shifts", values("schedule", strings.Join(args, ""), "to", to.rfc(), "gaps", "true"), "Somebody is always on call.", func(items []api.OnCallShift) *table {
				found = len(items)
				return shiftTable(items)
			})
			if err == nil && found > 0 {
				return &foundError{}
			}
			return err
		},
	}
	cmd.Flags().Var(&to, "to", "look up to then")
	return cmd
}

func overrideTable(items []respond.DutyOverride) *table {
	t := columns("ID", "KIND", "SCHEDULE", "PERSON", "FROM", "TO", "BY", "REASON")
	for _, o := range items {
		kind := string(o.Kind)
		if o.Of != "" {
			kind += " of " + string(o.Of)
		}
		t.row(fmt.Sprint(o.ID), kind, o.Schedule, string(o.Person), here(o.From), here(o.To), o.By.Name(), o.Reason)
	}
	return t
}

func onCallOverride(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "override", Aliases: []string{"overrides"}, Short: "Put somebody else on call for a time: add, list, remove",
		Example: "  evenkeel oncall override add shop bob --from \"2026-12-24 09:00\" --to \"2026-12-27 09:00\" -m \"carol has the flu\"",
	}
	var from, to timeFlag
	var reason, of string
	var shadow bool
	add := &cobra.Command{
		Use: "add SCHEDULE PERSON", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(schedules, people), Short: "Put a person on call, or with --shadow let them have copies",
		Example: "  evenkeel oncall override add shop bob --from now --to +8h\n  evenkeel oncall override add shop eve --shadow --of alice --from now --to +14d",
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NewOverride{Schedule: args[0], Person: declare.PersonID(args[1]), Of: declare.PersonID(of), From: from.t.UTC(), To: to.t.UTC(), Reason: reason}
			if shadow {
				in.Kind = respond.OverrideShadow
			}
			return change(cmd, r, "add the override", post, "/oncall/overrides", in, func(w io.Writer, o respond.DutyOverride) {
				overrideTable([]respond.DutyOverride{o}).write(w)
			})
		},
	}
	f := add.Flags()
	f.Var(&from, "from", "when it begins")
	f.Var(&to, "to", "when it ends")
	f.StringVarP(&reason, "reason", "m", "", "why")
	f.BoolVar(&shadow, "shadow", false, "the person gets copies, and is not paged alone")
	f.StringVar(&of, "of", "", "with --shadow: only while this person is on call")
	_ = add.MarkFlagRequired("from") // fails only for a flag that is not there
	_ = add.MarkFlagRequired("to")
	r.liveFlag(add, "of", people)

	var schedule string
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List overrides, swaps and shadows that have not ended",
		Example: "  evenkeel oncall override list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list overrides", "/oncall/overrides", values("schedule", schedule), "Nobody has changed a schedule.", overrideTable)
		},
	}
	ls.Flags().StringVar(&schedule, "schedule", "", "only this schedule's")
	r.liveFlag(ls, "schedule", schedules)

	cmd.AddCommand(r.changes(add), ls, r.changes(&cobra.Command{
		Use: "remove ID", Aliases: []string{"rm"}, Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(overrides), Short: "End an override; of a swap, both halves",
		Example: "  evenkeel oncall override remove 4",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := numberArg("override", args[0])
			if err != nil {
				return err
			}
			return change[struct{}](cmd, r, "remove override "+id, del, "/oncall/overrides/"+id, nil, nil)
		},
	}))
	return cmd
}

func onCallSwap(r *remote) *cobra.Command {
	var give, take timeFlag
	var reason string
	cmd := &cobra.Command{
		Use: "swap SCHEDULE", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(schedules), Short: "Let two people exchange the shifts that cover two times",
		Example: "  evenkeel oncall swap shop --give \"2026-12-24 12:00\" --take \"2026-12-31 12:00\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			in := api.NewSwap{Schedule: args[0], Give: give.t.UTC(), Take: take.t.UTC(), Reason: reason}
			return change(cmd, r, "swap shifts", post, "/oncall/swaps", in, func(w io.Writer, l api.List[respond.DutyOverride]) { overrideTable(l.Items).write(w) })
		},
	}
	f := cmd.Flags()
	f.Var(&give, "give", "any time in the one shift")
	f.Var(&take, "take", "any time in the other one")
	f.StringVarP(&reason, "reason", "m", "", "why")
	_ = cmd.MarkFlagRequired("give") // fails only for a flag that is not there
	_ = cmd.MarkFlagRequired("take")
	return r.changes(cmd)
}

func onCallCalendar(r *remote) *cobra.Command {
	cmd := &cobra.Command{
		Use: "calendar", Short: "Exchange shifts with calendar programs: list, link, renew, import",
		Example: "  evenkeel oncall calendar list\n  evenkeel oncall calendar link --person alice\n  evenkeel oncall calendar import shop cover.ics",
	}
	show := func(w io.Writer, l api.CalendarLink) { fmt.Fprintln(w, l.URL) }
	target := func(cmd *cobra.Command) func() (string, error) {
		var person, schedule string
		cmd.Flags().StringVar(&person, "person", "", "all shifts of this person")
		cmd.Flags().StringVar(&schedule, "schedule", "", "all shifts of this schedule")
		cmd.MarkFlagsMutuallyExclusive("person", "schedule")
		cmd.MarkFlagsOneRequired("person", "schedule")
		r.liveFlag(cmd, "person", people)
		r.liveFlag(cmd, "schedule", schedules)
		return func() (string, error) {
			if person != "" {
				return "/oncall/calendars/person/" + seg(person), nil
			}
			if schedule == "" {
				return "", fmt.Errorf("cannot find the calendar: expected the name of a person or a schedule")
			}
			return "/oncall/calendars/schedule/" + seg(schedule), nil
		}
	}
	link := &cobra.Command{Use: "link", Args: cobra.NoArgs, Short: "Print the address for a calendar program: who has it, may read", Example: "  evenkeel oncall calendar link --schedule shop"}
	where := target(link)
	link.RunE = func(cmd *cobra.Command, _ []string) error {
		path, err := where()
		if err != nil {
			return err
		}
		return one(cmd, r, "find the calendar", path, show)
	}
	renew := &cobra.Command{Use: "renew", Args: cobra.NoArgs, Short: "End the old address and print a new one", Example: "  evenkeel oncall calendar renew --person alice"}
	which := target(renew)
	renew.RunE = func(cmd *cobra.Command, _ []string) error {
		path, err := which()
		if err != nil {
			return err
		}
		return change(cmd, r, "renew the calendar's address", post, path+"/renew", nil, show)
	}
	in := &cobra.Command{
		Use: "import SCHEDULE FILE.ics|URL", Args: cobra.ExactArgs(2), ValidArgsFunction: r.live(schedules), Short: "Make overrides of a calendar's events (- reads stdin)",
		Long:    "Make overrides of a calendar's events, of a file or of what a URL holds now. Imported again\nunder the same name or URL, it replaces what it brought before, and removes what is gone.\nA schedule that should follow a URL names it in a layer: calendar: https://…",
		Example: "  evenkeel oncall calendar import shop cover.ics\n  evenkeel oncall calendar import shop https://calendar.example.org/cover.ics",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, source, err := readCalendar(cmd, args[1])
			if err != nil {
				return err
			}
			return change(cmd, r, "import the calendar", post, "/oncall/calendars", api.NewCalendar{Schedule: args[0], Source: source, Calendar: text}, func(w io.Writer, l api.List[respond.DutyOverride]) {
				overrideTable(l.Items).write(w)
			})
		},
	}
	ls := &cobra.Command{
		Use: "list [SCHEDULE]", Aliases: []string{"ls"}, Args: cobra.MaximumNArgs(1), ValidArgsFunction: r.live(schedules), Short: "List the calendars that schedules follow by URL, and how they stand",
		Example: "  evenkeel oncall calendar list shop",
		RunE: func(cmd *cobra.Command, args []string) error {
			return list(cmd, r, "list followed calendars", "/oncall/calendars", values("schedule", strings.Join(args, "")), "No schedule follows a calendar by its URL.", followedTable)
		},
	}
	cmd.AddCommand(ls, link, r.changes(renew), r.changes(in))
	return cmd
}

func followedTable(items []respond.FollowedCalendar) *table {
	t := columns("SCHEDULE", "LAYER", "FROM", "LAST READ", "EVENTS", "STATE")
	for _, c := range items {
		layer, state := c.Layer, c.Error
		if layer == "" {
			layer = "(holidays)"
		}
		if state == "" && c.Tried.IsZero() {
			state = "not tried yet"
		} else if state == "" {
			state = "ok"
		}
		if len(c.OfNobody) > 0 {
			state += "; left out, of nobody: " + strings.Join(c.OfNobody, ", ")
		}
		t.row(c.Schedule, layer, c.Host, here(c.Read), fmt.Sprint(c.Events), state)
	}
	return t
}

// readCalendar reads a calendar from a URL, a file or stdin, and names it.
func readCalendar(cmd *cobra.Command, from string) (text, source string, err error) {
	if calendar.IsURL(from) {
		data, err := oncall.Fetch(cmd.Context(), http.DefaultClient, from)
		return string(data), from, err
	}
	if from == "-" {
		text, err = readAll(cmd.InOrStdin())
		return text, "", err
	}
	file, err := os.Open(from)
	if err != nil {
		return "", "", fmt.Errorf("cannot read calendar: %w", err)
	}
	defer file.Close()
	text, err = readAll(file)
	return text, filepath.Base(from), err
}

func onCallLoad(r *remote) *cobra.Command {
	var from, to timeFlag
	cmd := &cobra.Command{
		Use: "load", Args: cobra.NoArgs, Short: "Say what being on call asked of each team in four weeks: hours, nights, pages",
		Long:    "Say what being on call asked of each team: a signal for taking care. It names no person.",
		Example: "  evenkeel oncall load\n  evenkeel oncall load --from -90d -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "sum up the load", "/oncall/load", values("from", from.rfc(), "to", to.rfc()), "There is no schedule.", func(items []respond.TeamLoad) *table {
				t := columns("TEAM", "SHIFTS", "HOURS", "NIGHT", "WEEKEND", "UNCOVERED", "PAGES", "A SHIFT", "BUSIEST", "AT NIGHT", "NIGHTS")
				for _, l := range items {
					t.row(string(l.Team), fmt.Sprint(l.Shifts), fmt.Sprintf("%.0f", l.Hours), fmt.Sprintf("%.0f", l.NightHours), fmt.Sprintf("%.0f", l.WeekendHours), fmt.Sprintf("%.0f", l.Uncovered),
						fmt.Sprint(l.Pages), fmt.Sprintf("%.1f", l.PerShift), fmt.Sprint(l.Busiest), fmt.Sprint(l.NightPages), fmt.Sprint(l.Nights))
				}
				return t
			})
		},
	}
	cmd.Flags().Var(&from, "from", "begin then (default four weeks before --to)")
	cmd.Flags().Var(&to, "to", "end then (default now)")
	return cmd
}
