package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/api"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

func init() { verbs = append(verbs, newToken) }

var liveTokens = known("/tokens", nil, func(t account.Token) (string, string) { return t.ID, t.Note })

func newToken() *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", GroupID: "run", Aliases: []string{"tokens"}, Short: "Let programs act in a person's name: create, list, revoke",
		Example: `  export EVENKEEL_TOKEN=$(evenkeel token create --person alice -d ./data)
  evenkeel token create --note "deploy pipeline" --for 90d`,
	}
	r := newRemote(cmd)
	cmd.AddCommand(tokenCreate(r), tokenList(r), tokenRevoke(r))
	return cmd
}

func tokenCreate(r *remote) *cobra.Command {
	var in api.NewToken
	var person, data string
	cmd := &cobra.Command{
		Use: "create", Args: cobra.NoArgs, Short: "Make a token and print it, this once",
		Long: `Make a token and print it, this once. It acts as you, or as --person, which needs an
administrator.

With -d it writes into the server's data folder directly, for whoever may read that
folder: this is how the first token comes to be. The server may run meanwhile.`,
		Example: `  export EVENKEEL_TOKEN=$(evenkeel token create --person alice -d ./data)
  evenkeel token create --note "deploy pipeline" --for 90d > token && chmod 600 token`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in.Person = declare.PersonID(person)
			if data != "" {
				return createOffline(cmd, r, data, in)
			}
			return change(cmd, r, "create a token", post, "/tokens", in, printSecret(cmd))
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Note, "note", "command line", "what it is for")
	f.StringVar(&person, "person", "", "as whom it acts (default you)")
	f.BoolVar(&in.Service, "service", false, "for a program, which --person names; takes --scope and --for")
	f.StringSliceVar(&in.Scopes, "scope", nil, "what it is for: read, write, change, gate, incident, request, run, run:RUNBOOK (default all that its person may)")
	f.StringVar(&in.Duration, "for", "", "how long it lives, as 90d (default until it is revoked)")
	f.StringVarP(&data, "data", "d", "", "the server's data folder, instead of asking the server")
	_ = cmd.MarkFlagDirname("data") // fails only for a flag that is not there
	r.liveFlag(cmd, "person", people)
	return r.changes(cmd)
}

// printSecret puts the secret alone on stdout, so that it can be captured.
func printSecret(cmd *cobra.Command) func(w io.Writer, t api.TokenSecret) {
	return func(w io.Writer, t api.TokenSecret) {
		fmt.Fprintln(w, t.Secret)
		fmt.Fprintf(cmd.ErrOrStderr(), "Token %s acts as %s. It is shown this once.\n", t.ID, t.Person)
	}
}

// createOffline makes a token in a data folder. A folder without a state is refused:
// a mistyped name would make a new one that no server looks at.
func createOffline(cmd *cobra.Command, r *remote, data string, in api.NewToken) error {
	if in.Person == "" {
		return errors.New("cannot create a token: with -d expected --person, as whom it acts")
	}
	var life model.Duration
	if in.Duration != "" {
		var err error
		if life, err = model.ParseDuration(in.Duration); err != nil || life <= 0 {
			return fmt.Errorf("cannot create a token: for: got %q, expected a time as 12h or 90d", in.Duration)
		}
	}
	file := filepath.Join(data, state.FileName)
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("cannot create a token: %q is no data folder of a server: %w", data, err)
	}
	if r.dryRun {
		_, err := fmt.Fprintf(cmd.OutOrStdout(), "would write a token for %s into %s\n", in.Person, file)
		return err
	}
	db, err := state.Open(cmd.Context(), data)
	if err != nil {
		return err
	}
	defer db.Close()
	secret, t, err := account.New(db).MakeToken(cmd.Context(), time.Now(), journal.System("cli"), account.Token{Person: in.Person, Note: in.Note, Service: in.Service, Scopes: in.Scopes}, time.Duration(life))
	if err != nil {
		return fmt.Errorf("cannot create a token: %w", err)
	}
	raw, err := asJSON(api.TokenSecret{Token: t, Secret: secret})
	if err != nil {
		return err
	}
	return r.format.print(cmd, raw, func(w io.Writer) { printSecret(cmd)(w, api.TokenSecret{Token: t, Secret: secret}) })
}

func tokenList(r *remote) *cobra.Command {
	var person string
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Args: cobra.NoArgs, Short: "List tokens, without their secrets",
		Example: "  evenkeel token list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd, r, "list tokens", "/tokens", values("person", person), "There are no tokens.", func(items []account.Token) *table {
				t := columns("ID", "PERSON", "NOTE", "SCOPES", "CREATED", "EXPIRES", "USED", "STATE")
				for _, x := range items {
					t.row(x.ID, string(x.Person), x.Note, strings.Join(x.Scopes, " "), ago(x.CreatedAt), ago(x.ExpiresAt), ago(x.UsedAt), tokenState(x, time.Now()))
				}
				return t
			})
		},
	}
	cmd.Flags().StringVar(&person, "person", "", "somebody else's, for administrators")
	r.liveFlag(cmd, "person", people)
	return cmd
}

func tokenState(t account.Token, now time.Time) string {
	switch {
	case !t.RevokedAt.IsZero():
		return "revoked"
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		return "expired"
	}
	return "active"
}

func tokenRevoke(r *remote) *cobra.Command {
	return r.changes(&cobra.Command{
		Use: "revoke ID", Args: cobra.ExactArgs(1), ValidArgsFunction: r.live(liveTokens), Short: "End a token now",
		Long:    "End a token now. The ID is the part between the two underscores of a token.",
		Example: "  evenkeel token revoke 3f0a9c1b2d4e",
		RunE: func(cmd *cobra.Command, args []string) error {
			// Whoever has a leaked token at hand may paste it whole: only its ID travels.
			id := args[0]
			if rest, ok := strings.CutPrefix(id, "ek_"); ok {
				id, _, _ = strings.Cut(rest, "_")
			}
			return change[struct{}](cmd, r, "revoke token "+id, del, "/tokens/"+seg(id), nil, nil)
		},
	})
}
