package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/learn"
)

func init() { verbs = append(verbs, newReview) }

func newReview() *cobra.Command {
	cmd := &cobra.Command{
		Use: "review", GroupID: "learn", Aliases: []string{"reviews"}, Short: "Learn from incidents: draft, show, save, publish reviews and their follow-ups",
		Example: "  evenkeel review draft 7\n  evenkeel review show 7 > review.md\n  evenkeel review save 7 --file review.md && evenkeel review publish 7",
	}
	r := newRemote(cmd)
	cmd.AddCommand(reviewList(r), reviewShow(r), reviewDraft(r), reviewSave(r), reviewPublish(r), reviewFollowUp(r), reviewDone(r), reviewAlerts(r), reviewOutcomes(r))
	return cmd
}

func reviewList(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List reviews, newest first",
		Example: "  evenkeel review list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list reviews", "/reviews", nil, "There are no reviews.", func(items []learn.Review) *table { return reviewTable(items...) })
		},
	}
}

func reviewTable(items ...learn.Review) *table {
	t := columns("INCIDENT", "STATUS", "DRAFTED", "UPDATED", "BY", "FOLLOW-UPS")
	for _, v := range items {
		open := 0
		for _, f := range v.FollowUps {
			if f.DoneAt.IsZero() {
				open++
			}
		}
		t.row(fmt.Sprint(v.Incident), v.Status, ago(v.DraftedAt), ago(v.UpdatedAt), v.UpdatedBy.Name(), fmt.Sprintf("%d open of %d", open, len(v.FollowUps)))
	}
	return t
}

func reviewLine(w io.Writer, v learn.Review) { reviewTable(v).write(w) }

func reviewShow(r *remote) *cobra.Command {
	own := *r // a format of its own: the Markdown
	cmd := &cobra.Command{
		Use: "show N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Print the review of an incident, as Markdown",
		Example: "  evenkeel review show 7\n  evenkeel review show 7 -o json | jq .follow_ups",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			own.url, own.tokenFile, own.timeout = r.url, r.tokenFile, r.timeout
			return one(cmd, &own, "show the review of incident "+n, "/incidents/"+n+"/review", func(w io.Writer, v learn.Review) {
				if terminal(w) {
					v.Markdown = printableText(v.Markdown)
				}
				fmt.Fprintln(w, strings.TrimRight(v.Markdown, "\n"))
			})
		},
	}
	own.format.flag(cmd, cmd.Flags(), formatMarkdown)
	return cmd
}

func reviewDraft(r *remote) *cobra.Command {
	var in api.Drafting
	cmd := &cobra.Command{
		Use: "draft N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Draft the review of an incident from the journal",
		Long:    "Draft the review of an incident from the journal. A draft that is there stays, unless\n--anew throws it away, with what people wrote into it.",
		Example: "  evenkeel review draft 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, "draft the review of incident "+n, post, "/incidents/"+n+"/review", in, reviewLine)
		},
	}
	cmd.Flags().BoolVar(&in.Anew, "anew", false, "throw the draft that is there away")
	return r.changes(cmd)
}

func reviewSave(r *remote) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "save N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Save the review's text from a file or stdin",
		Example: "  evenkeel review show 7 > review.md; $EDITOR review.md; evenkeel review save 7 --file review.md",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			in := cmd.InOrStdin()
			if file != "-" {
				f, err := os.Open(file)
				if err != nil {
					return fmt.Errorf("cannot read the review: %w", err)
				}
				defer f.Close()
				in = f
			}
			text, err := readAll(in)
			if err != nil {
				return err
			}
			return change(cmd, r, "save the review of incident "+n, put, "/incidents/"+n+"/review", api.ReviewText{Markdown: &text}, reviewLine)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "-", "the Markdown; - is stdin")
	return r.changes(cmd)
}

func reviewPublish(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "publish N", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(allIncidents), Short: "Publish the review as it stands",
		Example: "  evenkeel review publish 7",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, "publish the review of incident "+n, put, "/incidents/"+n+"/review", api.ReviewText{Publish: true}, reviewLine)
		},
	})
}

func reviewFollowUp(r *remote) *cobra.Command {
	var owner string
	cmd := &cobra.Command{
		Use: "follow-up N TEXT…", Args: cobra.MinimumNArgs(2), ValidArgsFunction: r.live(allIncidents), Short: "Add something to do, and print its ID",
		Example: "  evenkeel review follow-up 7 --owner bob alert on the retry queue",
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := numberArg("incident", args[0])
			if err != nil {
				return err
			}
			return change(cmd, r, "add a follow-up to incident "+n, post, "/incidents/"+n+"/review/follow-ups",
				api.NewFollowUp{Text: strings.Join(args[1:], " "), Owner: owner}, func(w io.Writer, f learn.FollowUp) { fmt.Fprintln(w, f.ID) })
		},
	}
	cmd.Flags().StringVar(&owner, "owner", "", "who does it")
	r.liveFlag(cmd, "owner", people)
	return r.changes(cmd)
}

func reviewDone(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "done FOLLOW-UP", Args: cobra.ExactArgs(1), ValidArgsFunction: cobra.NoFileCompletions, Short: "Say that a follow-up is done",
		Example: "  evenkeel review done 3",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := numberArg("follow-up", args[0])
			if err != nil {
				return err
			}
			return change[struct{}](cmd, r, "finish follow-up "+id, post, "/follow-ups/"+id+"/done", nil, nil)
		},
	})
}
