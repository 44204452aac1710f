package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/api"
)

func init() { verbs = append(verbs, newRequest) }

func newRequest() *cobra.Command {
	cmd := &cobra.Command{
		Use: "request", GroupID: "act", Aliases: []string{"requests"}, Short: "Ask for something from the catalogue, and work on what was asked",
		Example: `  evenkeel request items
  evenkeel request new restart-service --set service=checkout
  evenkeel request approve 7 --text "go ahead"
  evenkeel request list --open`,
	}
	r := newRemote(cmd)
	items := &cobra.Command{
		Use: "items", Args: cobra.NoArgs, Short: "List what can be asked for", Example: "  evenkeel request items",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list request items", "/request-items", nil, "Nothing can be asked for: the workspace has no requests/.", func(items []api.RequestItem) *table {
				t := columns("ITEM", "TITLE", "FIELDS", "APPROVED BY", "OWNER", "WITHIN")
				for _, i := range items {
					var fields []string
					for _, f := range i.Form {
						name := f.Name
						if !f.Required {
							name = "[" + name + "]"
						}
						fields = append(fields, name)
					}
					t.row(i.Name, i.Title, strings.Join(fields, " "), string(i.Approve), string(i.Owner), i.Within)
				}
				return t
			})
		},
	}
	var open bool
	var item, owner, requester string
	var limit int
	ls := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List requests, newest first", Example: "  evenkeel request list --open",
		RunE: func(cmd *cobra.Command, _ []string) error {
			only := ""
			if open {
				only = "true"
			}
			return list(cmd, r, "list requests", "/requests", values("open", only, "item", item, "owner", owner, "requester", requester, "limit", limitText(limit)), "No request is on record.", func(items []api.RequestDetail) *table {
				t := columns("ID", "STATUS", "SUBMITTED", "REQUEST", "BY", "OWNER", "CLOCK", "WITHIN", "WHY")
				for _, q := range items {
					clock := (time.Duration(q.Elapsed) * time.Second).String()
					if q.Late {
						clock += " late"
					}
					t.row(fmt.Sprint(q.ID), string(q.Status), ago(q.SubmittedAt), q.Title, string(q.Requester), string(q.Owner), clock, q.Within.String(), q.Reason)
				}
				return t
			})
		},
	}
	ls.Flags().BoolVar(&open, "open", false, "only those that are not ended")
	ls.Flags().StringVar(&item, "item", "", "only of this item")
	ls.Flags().StringVar(&owner, "owner", "", "only this team's")
	ls.Flags().StringVar(&requester, "requester", "", "only those of this person")
	ls.Flags().IntVar(&limit, "limit", 0, "at most so many (default 100)")
	show := &cobra.Command{
		Use: "show ID", Args: cobra.ExactArgs(1), Short: "Show one request", Example: "  evenkeel request show 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("request", args[0])
			if err != nil {
				return err
			}
			return one(cmd, r, "show request "+n, "/requests/"+n, requestSheet)
		},
	}
	var set []string
	submit := &cobra.Command{
		Use: "new ITEM", Args: cobra.ExactArgs(1), Short: "Ask for something and print the request's number",
		Example: "  evenkeel request new restart-service --set service=checkout --set reason='it hangs'",
		RunE: func(cmd *cobra.Command, args []string) error {
			form, err := pairs("field", set)
			if err != nil {
				return err
			}
			in := api.NewRequest{Item: args[0], Form: form}
			return change(cmd, r, "ask for "+args[0], post, "/requests", in, func(w io.Writer, q api.RequestDetail) {
				fmt.Fprintln(w, q.ID)
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s\n", q.Status, printable(q.Reason))
			})
		},
	}
	submit.Flags().StringArrayVar(&set, "set", nil, "a field of the form, as name=value (may be repeated)")
	cmd.AddCommand(items, ls, show, r.changes(submit))
	for _, a := range []struct{ name, short string }{
		{"approve", "Let a request through: it is fulfilled in your name"}, {"refuse", "Do not let it through, and say why"},
		{"ask", "Ask its author something: the clock stands until they answer"}, {"answer", "Answer what you were asked"},
		{"cancel", "Take your request back"}, {"fulfil", "Start again what fulfils it"}, {"finish", "Say that you have done it by hand"}, {"reopen", "Say that what was done is not what you asked for"},
	} {
		var text string
		sub := &cobra.Command{
			Use: a.name + " ID", Args: cobra.ExactArgs(1), Short: a.short, Example: "  evenkeel request " + a.name + ` 7 --text "…"`,
			RunE: func(cmd *cobra.Command, args []string) error {
				n, err := numberArg("request", args[0])
				if err != nil {
					return err
				}
				return change(cmd, r, a.name+" request "+n, post, "/requests/"+n+"/"+a.name, api.Words{Text: text}, requestSheet)
			},
		}
		sub.Flags().StringVarP(&text, "text", "m", "", "a reason, a question, an answer or a note")
		cmd.AddCommand(r.changes(sub))
	}
	return cmd
}

func requestSheet(w io.Writer, q api.RequestDetail) {
	s := sheet{}
	s.add("request", fmt.Sprint(q.ID))
	s.add("title", q.Title)
	s.add("status", string(q.Status))
	s.add("why", q.Reason)
	s.add("by", string(q.Requester))
	s.add("owner", string(q.Owner))
	for _, k := range sortedKeys(q.Form) {
		s.add("  "+k, q.Form[k])
	}
	s.add("decided by", string(q.DecidedBy))
	s.add("run", q.Run)
	s.add("change", q.Change)
	s.add("submitted", exactly(q.SubmittedAt))
	s.add("clock", fmt.Sprintf("%s of %s", time.Duration(q.Elapsed)*time.Second, q.Within))
	if q.Status == act.RequestDone {
		s.add("done", exactly(q.DoneAt))
	}
	s.write(w)
}
