package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/app"
)

func init() { verbs = append(verbs, newServe) }

// serveOptions are the flags of serve, which demo sets itself.
type serveOptions struct {
	workspace, data, listen string
	cert, key               string
	insecure                bool
	verbose                 bool
}

func newServe() *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use: "serve", GroupID: "run", Short: "Run the server", Args: cobra.NoArgs,
		Long: `Serve runs everything on one workspace folder and one data folder.

It listens on loopback; anywhere else it asks for a certificate, or for --insecure-listen
in so many words, and then for a token on every request.`,
		Example: "  evenkeel serve -w my-workspace -d /var/lib/evenkeel",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := logger(cmd.ErrOrStderr(), o.verbose)
			return serve(cmd.Context(), o, log, func(ctx context.Context, s *server) error {
				return s.greet(ctx, cmd.OutOrStdout())
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.workspace, "workspace", "w", "workspace", "folder of the workspace")
	f.StringVarP(&o.data, "data", "d", "data", "folder of the data; made when it is not there")
	f.StringVar(&o.listen, "listen", "127.0.0.1:7070", "address to listen on")
	f.StringVar(&o.cert, "tls-cert", "", "certificate file (PEM)")
	f.StringVar(&o.key, "tls-key", "", "key file (PEM)")
	f.BoolVar(&o.insecure, "insecure-listen", false, "listen without TLS outside of loopback, where something in front does TLS")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "log more")
	return cmd
}

func logger(w io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// Version of the program, from the build.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "devel"
}

// server is a running one.
type server struct {
	app      *app.App
	listener net.Listener
}

// greet says where to go, and makes the first administrator's link.
func (s *server) greet(ctx context.Context, w io.Writer) error {
	link, err := s.app.Accounts().EnsureAdmin(ctx, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "Evenkeel %s on %s\n", version(), s.app.URL())
	if link != "" {
		fmt.Fprintf(w, "\nNobody administers it yet. This link makes you the administrator; it works once, for 24 hours:\n\n  %s\n\n", s.app.URL().JoinPath("invite", link))
	}
	return nil
}

// listen opens the port, after a look at what may listen there.
func (o *serveOptions) listener() (net.Listener, error) {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %q: expected an address as 127.0.0.1:7070", o.listen)
	}
	if (o.cert == "") != (o.key == "") {
		return nil, errors.New("cannot use TLS: expected both --tls-cert and --tls-key")
	}
	if !loopback(host) && o.cert == "" && !o.insecure {
		return nil, fmt.Errorf("cannot listen on %q: outside of loopback expected --tls-cert and --tls-key, or --insecure-listen where something in front does TLS", o.listen)
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w (--listen chooses another address)", err)
	}
	if o.cert == "" {
		return l, nil
	}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("cannot use TLS: %w", err)
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}), nil
}

// serve runs the server until ctx ends. ready is called once it answers.
func serve(ctx context.Context, o serveOptions, log *slog.Logger, ready func(context.Context, *server) error) error {
	listener, err := o.listener()
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(o.listen)
	a, err := app.New(ctx, app.Options{
		Workspace: o.workspace, Data: o.data, Listen: listener.Addr().String(), Version: version(), Logger: log, OpenOnLoopback: loopback(host),
	})
	if err != nil {
		_ = listener.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	srv := &http.Server{
		Handler: a.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 5 * time.Minute, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() {
		served <- srv.Serve(listener)
		cancel()
	}()
	ran := make(chan error, 1)
	go func() {
		ran <- a.Run(ctx)
		cancel()
	}()
	var errs []error
	if err := ready(ctx, &server{a, listener}); err != nil {
		errs = append(errs, err)
		cancel()
	}
	<-ctx.Done()
	// Requests in progress finish; live streams end with the app.
	stop, done := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer done()
	if err := srv.Shutdown(stop); err != nil {
		errs = append(errs, srv.Close())
	}
	errs = append(errs, <-ran)
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
