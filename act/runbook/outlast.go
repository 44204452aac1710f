package runbook

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// saidFile is where a terraform step writes what it says.
func (r *Runner) saidFile(run *act.Run, step string) string {
	return filepath.Join(r.o.Keep, run.ID, step+".out")
}

// outlasting is a file for the output of a program that may outlive the server for as
// long as it needs to write its state: a pipe would end it with its next word. What is
// written there is passed on to out; rest passes on the last of it and removes the file.
func (r *Runner) outlasting(run *act.Run, step *declare.Step, out io.Writer) (file *os.File, rest func(), err error) {
	name := r.saidFile(run, step.Name)
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return nil, nil, fmt.Errorf("cannot make a folder for what the step says: %w", err)
	}
	if file, err = os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		return nil, nil, fmt.Errorf("cannot make a file for what the step says: %w", err)
	}
	from, err := os.Open(name)
	if err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("cannot follow what the step says: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for over := false; !over; {
			over = wait(ctx, 200*time.Millisecond) != nil
			_, _ = io.Copy(out, from)
		}
	}()
	return file, func() {
		cancel()
		<-done
		file.Close()
		from.Close()
		_ = os.Remove(name)
	}, nil
}

// outlives says whether a step of a run was begun by a server that has died and is still
// writing down what there is: it is interrupted when the server dies, and has a minute.
func (r *Runner) outlives(run *act.Run) bool {
	for _, s := range run.Steps {
		if s.Status == act.StepRunning && s.Language == "terraform" {
			return len(marked("EVENKEEL_RUN="+run.ID)) > 0
		}
	}
	return false
}

// letEnd waits until what a dead server had begun of a run has ended. After a minute it is
// ended.
func (r *Runner) letEnd(ctx context.Context, run *act.Run) {
	mark := "EVENKEEL_RUN=" + run.ID
	for end := time.Now().Add(terraformGrace); len(marked(mark)) > 0 && time.Now().Before(end); {
		if wait(ctx, poll) != nil {
			return
		}
	}
	stragglers(mark)
}

// said is what a step has said that outlived the server, "" where nothing is left of it.
func (r *Runner) said(run *act.Run, step string) string {
	f, err := os.Open(r.saidFile(run, step))
	if err != nil {
		return ""
	}
	defer f.Close()
	secrets, err := r.secrets(reread(run))
	if err != nil {
		return "" // what is secret in it cannot be told
	}
	kept := newCapped(r.o.OutputLimit)
	out := newHiding(kept, forms(secrets))
	_, _ = io.Copy(out, f)
	_ = out.Close()
	return mask(kept.String())
}
