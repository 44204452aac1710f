//go:build bench

// Command run measures this program beside its peers and writes docs/benchmarks.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/evenkeel/evenkeel/bench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context) error {
	home, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	home = filepath.Join(home, "evenkeel")
	o := bench.Options{Scale: bench.Full, Log: os.Stderr}
	flag.BoolVar(&o.Keep, "keep", false, "keep from the file that is written to what is not measured anew")
	flag.BoolVar(&o.Quick, "quick", false, "a small scale, to try the program with")
	flag.StringVar(&o.Cache, "cache", filepath.Join(home, "bench"), "folder that keeps the data between runs")
	flag.StringVar(&o.Peers, "peers", filepath.Join(home, "peers"), "folder with the peers' binaries")
	flag.StringVar(&o.Evenkeel, "evenkeel", "bin/evenkeel", "our binary")
	flag.StringVar(&o.Profile, "profile", "", "folder for CPU profiles of our parts")
	flag.BoolVar(&o.Alone, "alone", false, "our own parts only, to profile them")
	only := flag.String("only", "", "rows to measure, with commas between: ticks, many, backtest, latency, write, logs, spans, idle, alerts; and hundredmillion, which is measured only when it is named")
	out := flag.String("out", "-", "file to write the report to, - for standard output")
	pairs := flag.Int("pairs", 0, "how many pairs, where not the usual number")
	rows := flag.Int("rows", 0, "how many log rows in hundredmillion, where not the usual number")
	flag.Parse()
	if o.Quick {
		o.Scale = bench.Quick
	}
	if *pairs > 0 {
		o.Pairs = *pairs
	}
	if *rows > 0 {
		o.LogRows = *rows
	}
	if *only != "" {
		o.Only = strings.Split(*only, ",")
	}
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	if o.Keep && *out != "-" && len(o.Only) > 0 {
		old, err := os.ReadFile(*out)
		if err != nil {
			return err
		}
		report.Keep(string(old), o.Only)
	}
	to := os.Stdout
	if *out != "-" {
		if to, err = os.Create(*out); err != nil {
			return err
		}
		defer to.Close()
	}
	if err := report.Write(to); err != nil {
		return err
	}
	if n := report.Unmet(); n > 0 && !o.Quick {
		fmt.Fprintf(os.Stderr, "bench: %d goals are not met\n", n)
		os.Exit(1)
	}
	return nil
}
