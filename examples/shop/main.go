package shop

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Verb is the hidden verb by which the program starts itself again as one of the
// shop's processes: PROGRAM shop service …, PROGRAM shop load ….
const Verb = "shop"

// Main runs one process of the shop; args are what follows the verb:
//
//	service --name checkout --version 1.4.0 --listen 127.0.0.1:7081 …
//	load --checkout http://127.0.0.1:7081 --catalog http://127.0.0.1:7083 --rate 45
//
// It returns when the context ends, or at SIGTERM, after a graceful end. A
// process that the deployer started exits at once when the deployer dies.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errors.New("shop: expected service or load")
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	log := slog.New(slog.NewTextHandler(stderr, nil))
	flags := flag.NewFlagSet("shop "+args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	switch args[0] {
	case "service":
		o := serviceOptions{Flags: map[string]string{}}
		flags.StringVar(&o.Name, "name", "", "checkout, payments, catalog or newsletter")
		flags.StringVar(&o.Version, "version", "", "the release to run")
		flags.StringVar(&o.Listen, "listen", "", "address, or inherited")
		flags.StringVar(&o.Catalog, "catalog", "", "base URL of the catalog")
		flags.StringVar(&o.Payments, "payments", "", "base URL of payments")
		flags.StringVar(&o.OTLP, "otlp", "", "base URL that takes OTLP")
		flags.Int64Var(&o.KeepBytes, "keep-bytes", defaultLeakBytes, "bound of kept receipts, in bytes")
		flags.Func("flag", "name=value, repeatable", func(s string) error {
			name, value, ok := strings.Cut(s, "=")
			if !ok {
				return fmt.Errorf("got %q, expected name=value", s)
			}
			o.Flags[name] = value
			return nil
		})
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		o.Log = log.With("service", o.Name, "version", o.Version)
		if o.Listen == inherited {
			signal.Ignore(os.Interrupt) // the terminal's ^C is for the deployer, which ends us in order
		}
		return runService(ctx, o, os.Stdin, stdout)
	case "load":
		o := loadOptions{}
		supervised := flags.Bool("supervised", false, "end when the input does")
		flags.StringVar(&o.Checkout, "checkout", "", "base URL of checkout")
		flags.StringVar(&o.Catalog, "catalog", "", "base URL of the catalog")
		flags.Float64Var(&o.Rate, "rate", defaultRate, "requests a second")
		if err := flags.Parse(args[1:]); err != nil {
			return err
		}
		o.Log = log.With("service", "load")
		if *supervised {
			signal.Ignore(os.Interrupt)
			go dieWith(os.Stdin)
		}
		return runLoad(ctx, o, stdout)
	}
	return fmt.Errorf("shop: got %q, expected service or load", args[0])
}
