package runbook

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
)

// grace is what a step's processes get between being asked to end and being ended.
const grace = 2 * time.Second

// shell runs a step's text, which is a constant of the runbook, with the parameters in
// its environment. It inherits nothing else of ours: no variable, no open file.
func (r *Runner) shell(ctx context.Context, run *act.Run, step *declare.Step, out *capped) result {
	dir, err := os.MkdirTemp("", "evenkeel-step-")
	if err != nil {
		return result{detail: "cannot make a folder to work in: " + err.Error()}
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithTimeout(ctx, step.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-eu", "-c", step.Body)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + dir, "TMPDIR=" + dir,
		"EVENKEEL_RUN=" + run.ID, "EVENKEEL_STEP=" + step.Name,
	}
	for _, name := range sortedKeys(run.Params) {
		cmd.Env = append(cmd.Env, name+"="+run.Params[name])
	}
	cmd.Stdout, cmd.Stderr = out, out
	// A group of its own, so that what it starts ends with it; and it dies with us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace // then the pipes are closed, whoever still holds them
	// Pdeathsig is sent when the thread that started the child ends, so it must not.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return result{detail: "cannot start: " + err.Error()}
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind in the background
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return result{detail: fmt.Sprintf("stopped: it took longer than %s", step.Timeout)}
	case errors.As(err, &exit):
		return result{detail: exit.Error()}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return result{detail: err.Error()}
	}
	return result{ok: true, detail: "exit status 0"}
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
