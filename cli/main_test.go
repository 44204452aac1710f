package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/evenkeel/evenkeel/examples/shop"
)

// runAsCLI makes the test binary behave as the command, for tests that need a real
// process: one to kill, or one that starts itself again.
const runAsCLI = "EVENKEEL_TEST_RUN_AS_CLI"

func runMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

func TestMain(m *testing.M) {
	if os.Getenv(runAsCLI) != "" || len(os.Args) > 1 && os.Args[1] == shop.Verb {
		os.Exit(runMain())
	}
	testscript.Main(m, map[string]func(){"evenkeel": func() { os.Exit(runMain()) }})
}
