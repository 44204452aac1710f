package shop

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// serviceOptions is one service process.
type serviceOptions struct {
	Name, Version     string
	Listen            string            // an address, or "inherited": descriptor 3, served when the deployer says so
	Catalog, Payments string            // base URLs, for checkout
	OTLP              string            // base URL of what takes traces and logs, and the metrics of payments; "" for nobody
	KeepBytes         int64             // the bound of 1.4.2's leak
	Flags             map[string]string // of the newsletter
	Log               *slog.Logger
}

// inherited is the listen address of a service that the deployer started.
const inherited = "inherited"

// lameDuck is how long a version that no longer accepts connections asks those
// that it has to go elsewhere, before it closes them.
const lameDuck = 300 * time.Millisecond

// What deployer and service tell each other, one word a line. When the service's
// input ends, the deployer is dead, and so is the service.
const (
	wordReady    = "ready"    // service: can serve
	wordServe    = "serve"    // deployer: begin to accept
	wordDraining = "draining" // service: accepts no more
)

// runService runs one service until the context ends, and then drains it.
func runService(ctx context.Context, o serviceOptions, in io.Reader, out io.Writer) error {
	draining := &atomic.Bool{}
	mux, work, stop, err := assemble(ctx, o, draining)
	if err != nil {
		return err
	}
	defer stop()

	ln, err := openListener(o.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen for %s: %w", o.Name, err)
	}
	if o.Listen == inherited {
		if err := awaitServe(ctx, in, out); err != nil {
			return errors.Join(err, ln.Close())
		}
	}

	working, stopWork := context.WithCancel(ctx)
	defer stopWork()
	var parts sync.WaitGroup
	defer parts.Wait()
	if work != nil {
		parts.Go(func() { work(working) })
	}
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 15 * time.Second,
		IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("cannot serve %s: %w", o.Name, err)
	case <-ctx.Done():
	}
	draining.Store(true)
	if err := ln.Close(); err != nil {
		return err
	}
	<-served
	_, _ = fmt.Fprintln(out, wordDraining) // a deployer that is gone needs no word
	_ = pause(context.Background(), lameDuck)
	last, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	return server.Shutdown(last)
}

func openListener(address string) (net.Listener, error) {
	if address != inherited {
		return net.Listen("tcp", address)
	}
	f := os.NewFile(3, "listener")
	defer f.Close() // the listener has its own duplicate
	return net.FileListener(f)
}

// awaitServe says ready, waits for the word, and from then on ends the process
// when its input does.
func awaitServe(ctx context.Context, in io.Reader, out io.Writer) error {
	if _, err := fmt.Fprintln(out, wordReady); err != nil {
		return fmt.Errorf("cannot report ready: %w", err)
	}
	serve := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			if lines.Text() == wordServe {
				close(serve)
				break
			}
		}
		dieWith(in)
	}()
	select {
	case <-serve:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// dieWith ends the process when in ends: nobody is left who would stop it.
func dieWith(in io.Reader) {
	_, _ = io.Copy(io.Discard, in)
	os.Exit(exitOrphan)
}

// exitOrphan is the exit code of a child whose parent has died.
const exitOrphan = 3

// assemble builds the service: its pages, what it does by itself (nil: nothing),
// and what has to be called at the end.
func assemble(ctx context.Context, o serviceOptions, draining *atomic.Bool) (mux *http.ServeMux, work func(context.Context), stop func(), err error) {
	if _, ok := findRelease(o.Name, o.Version); !ok {
		return nil, nil, nil, fmt.Errorf("service %q: got version %q, expected one of %q", o.Name, o.Version, versionsOf(o.Name))
	}
	mux, stop = http.NewServeMux(), func() {}
	page := newScraped(o.Name, o.Version)
	mux.Handle("GET /metrics", page.handler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		reply(w, http.StatusOK, health{Service: o.Name, Version: o.Version, PID: os.Getpid()})
	})
	tel, err := newTelemetry(ctx, o.OTLP, o.Name, o.Version)
	if err != nil {
		return nil, nil, nil, err
	}
	stop = tel.stop
	switch o.Name {
	case catalogName:
		page.countRequests()
		serveRoutes(mux, newCatalog(o.Version).routes(), page, tel, draining, o.Log)
	case checkoutName:
		page.countRequests()
		c := newCheckout(o.Version, o.Catalog, o.Payments, o.KeepBytes)
		c.called, c.tel = page.countCalls(catalogName, paymentsName), tel
		serveRoutes(mux, c.routes(), page, tel, draining, o.Log)
	case newsletterName:
		page.countRequests()
		n := newNewsletter(o.Flags)
		n.count = page.countLetters()
		serveRoutes(mux, n.routes(), page, tel, draining, o.Log)
		work = n.work
	case paymentsName:
		otlp, err := newSent(ctx, o.OTLP, o.Name, o.Version, o.Log)
		if err != nil {
			return nil, nil, nil, err
		}
		p := newPayments(o.Version, otlp.countResults(paymentResults...))
		p.tel = tel
		serveRoutes(mux, p.routes(), otlp, tel, draining, o.Log)
		otlp.flush(time.Second) // the zeros first, or the first error would be no increase
		stop = func() { tel.stop(); otlp.stop() }
	}
	return mux, work, stop, nil
}

// health is what /healthz answers.
type health struct {
	Service string `json:"service"`
	Version string `json:"version"`
	PID     int    `json:"pid"`
}
