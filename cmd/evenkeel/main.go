// Command evenkeel is what a department runs production with.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/evenkeel/evenkeel/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
