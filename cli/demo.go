package cli

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/examples/shop"
	"github.com/evenkeel/evenkeel/journal"
)

func init() { verbs = append(verbs, newDemo, newShop) }

// newShop is how the demo's processes start: not for people.
func newShop() *cobra.Command {
	return &cobra.Command{
		Use: shop.Verb, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			return shop.Main(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
}

func newDemo() *cobra.Command {
	var o demoOptions
	cmd := &cobra.Command{
		Use: "demo", GroupID: "run", Short: "Run it with a real small shop under load, and faults to inject", Args: cobra.NoArgs,
		Long: `Demo serves a workspace for a shop of small HTTP services that call each other over
loopback, and starts that shop under a real load. Versions are really deployed and
rolled back; faults are bad versions. Nothing is scripted: findings, pages, suspects
and recoveries come out of the same code as in production.

With --story it plays the first fault by itself and prints each step as it happens;
it exits with 0 only if the whole loop closed.`,
		Example: "  evenkeel demo\n  evenkeel demo --story",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return demo(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.story, "story", false, "play the first fault, print each step, then end")
	f.StringVar(&o.listen, "listen", "127.0.0.1:7070", "address to listen on, on loopback")
	f.StringVarP(&o.data, "data", "d", "", "folder to keep the data in; default: a temporary one, removed at the end")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	return cmd
}

type demoOptions struct {
	story   bool
	listen  string
	data    string
	verbose bool
}

// cast are the people of the demo who can sign in; carol administers.
var cast = []string{"alice", "bob", "carol"}

// stage is a running demo.
type stage struct {
	url       string
	control   string
	shop      *shop.Shop
	passwords map[string]string
	tokens    map[string]string
	out       io.Writer
}

func demo(ctx context.Context, o demoOptions, out, errOut io.Writer) (err error) {
	if host, _, splitErr := net.SplitHostPort(o.listen); splitErr != nil || !loopback(host) {
		return fmt.Errorf("cannot run the demo on %q: expected an address on loopback, as 127.0.0.1:7070", o.listen)
	}
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "evenkeel-demo-"); err != nil {
			return fmt.Errorf("cannot make a folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.data)) }()
	}
	sockets, err := shop.Listen(shop.DefaultPorts)
	if err != nil { // taken: any others do, the pages say which
		if sockets, err = shop.Listen(shop.Ports{}); err != nil {
			return err
		}
	}
	workspace := filepath.Join(o.data, "workspace")
	if err := prepare(workspace, sockets.Ports()); err != nil {
		return errors.Join(err, sockets.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	played := make(chan error, 1)
	so := serveOptions{workspace: workspace, data: filepath.Join(o.data, "data"), listen: o.listen}
	err = serve(ctx, so, logger(errOut, o.verbose), func(ctx context.Context, s *server) error {
		st, err := s.stage(ctx, o, sockets, out)
		if err != nil {
			return err
		}
		go func() {
			played <- st.run(ctx, o.story)
			cancel()
		}()
		return nil
	})
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	select {
	case playErr := <-played:
		return errors.Join(err, playErr)
	default:
		return errors.Join(err, sockets.Close())
	}
}

// prepare writes the workspace, with a free port for OTLP/gRPC where 4317 is taken.
func prepare(dir string, ports shop.Ports) error {
	if err := shop.WriteWorkspace(dir, ports); err != nil {
		return fmt.Errorf("cannot write the demo's workspace: %w", err)
	}
	if l, err := net.Listen("tcp", "127.0.0.1:4317"); err == nil {
		return l.Close()
	}
	name := filepath.Join(dir, "evenkeel.yml")
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\notlp: {grpc: \"127.0.0.1:0\"} # 4317 is taken on this machine\n")
	return errors.Join(err, f.Close())
}

// aim puts the address of this server into a runbook, where it is not the usual one.
func aim(file, url string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("cannot write the demo's workspace: %w", err)
	}
	next := bytes.ReplaceAll(text, []byte(defaultURL), []byte(strings.TrimSuffix(url, "/")))
	if bytes.Equal(next, text) {
		return nil
	}
	return os.WriteFile(file, next, 0o644)
}

// stage makes accounts for the cast, a token for the deployer, and the shop.
func (s *server) stage(ctx context.Context, o demoOptions, sockets *shop.Listeners, out io.Writer) (*stage, error) {
	st := &stage{url: s.app.URL().String(), passwords: map[string]string{}, tokens: map[string]string{}, out: out}
	now, actor := time.Now(), journal.System("demo")
	for _, who := range cast {
		var b [10]byte
		if _, err := rand.Read(b[:]); err != nil {
			return nil, err
		}
		st.passwords[who] = strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))
		if err := s.app.Accounts().Create(ctx, now, actor, personID(who), st.passwords[who], who == "carol"); err != nil {
			return nil, err
		}
	}
	for _, who := range append([]string{"deployer", "requests"}, cast...) {
		token, _, err := s.app.Accounts().CreateToken(ctx, now, actor, personID(who), "demo", 24*time.Hour)
		if err != nil {
			return nil, err
		}
		st.tokens[who] = token
	}
	// What fulfils requests speaks to this server.
	if err := os.Setenv("EVENKEEL_SILENCE_TOKEN", st.tokens["requests"]); err != nil {
		return nil, err
	}
	if err := aim(filepath.Join(o.data, "workspace", "runbooks", "silence-for-maintenance.md"), st.url); err != nil {
		return nil, err
	}
	if err := s.app.Reload(ctx); err != nil { // before anybody asks for it
		return nil, err
	}
	log := io.Discard
	if o.verbose {
		log = os.Stderr
	}
	var err error
	st.shop, err = shop.New(shop.Options{
		Dir: filepath.Join(o.data, "shop"), EvenkeelURL: st.url, Token: st.tokens["deployer"], Listeners: sockets, Logger: logger(os.Stderr, o.verbose), Log: log,
	})
	if err != nil {
		return nil, err
	}
	st.control = st.shop.ControlURL()
	return st, nil
}

// run runs the shop, and the story when it is asked for.
func (st *stage) run(ctx context.Context, story bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- st.shop.Run(ctx) }()
	select {
	case <-st.shop.Ready():
	case err := <-ended:
		return fmt.Errorf("cannot start the shop: %w", err)
	}
	var told error
	if story {
		told = st.story(ctx)
		cancel()
	} else {
		st.invite()
	}
	err := <-ended
	if told != nil || errors.Is(err, context.Canceled) {
		return told
	}
	return err
}

// invite says what to open and what to try.
func (st *stage) invite() {
	fmt.Fprintf(st.out, `
A small shop is running, under load: checkout calls payments and catalog.

  Evenkeel         %s
  the shop's deployer, and the on-call phone    %s

Sign in as one of these (a junior, a senior, a lead who administers):

  alice   %s
  bob     %s
  carol   %s

Try this:

  1. Open Evenkeel as alice. Everything is calm.
  2. On the deployer's page roll out the bad release of checkout. Within half a minute the
     phone rings, and the page names that release.
  3. Open the incident, acknowledge it, and start the suggested runbook. It looks first; the
     step that rolls back is over a junior's level, so it waits.
  4. Sign in as bob (another browser, or a private window) and approve it.
  5. Watch the budget stop burning. The run ends when the objective is met again. Then read
     the review: it has written itself.

There are more faults on the deployer's page: a slow dependency, a memory leak, and a fault
in payments that only checkout's customers notice. Ctrl-C ends everything.

`, st.url, st.control, st.passwords["alice"], st.passwords["bob"], st.passwords["carol"])
}
