package runbook

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// Path is where steps that run here look for their commands.
const Path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// grace is what a step's processes get between being asked to end and being ended.
const grace = 2 * time.Second

// terraformGrace is longer: terraform has to end what it is at, and to write down what is
// there now. The server has to end within 90 seconds of being asked to.
const terraformGrace = time.Minute

// ending is how a step's processes are asked to end, how long they may take then, and
// what they get when the server is killed: nothing where they are interrupted. Terraform's
// plugins end with SIGTERM and leave SIGINT to terraform.
func ending(step *declare.Step) (asked syscall.Signal, patience time.Duration, orphaned syscall.Signal) {
	if step.Language == "terraform" {
		return syscall.SIGINT, terraformGrace, 0
	}
	return syscall.SIGTERM, grace, syscall.SIGKILL
}

// limits are set by the first shell on itself, for all that follows: no core dumps, so
// many open files, files of at most 1 GiB or what the step says (in blocks of 512 bytes),
// so many processes of the step's user.
const limits = `ulimit -c 0; ulimit -n 1024; ulimit -f "$1"; shift; { ulimit -p 512 || ulimit -u 512; } 2>/dev/null; `

// onward becomes the program; interrupted does too, and leaves somebody who interrupts it
// once when the server has died, which closes the pipe on descriptor 3. The signal that the
// kernel sends for a dead parent comes once for each of its threads, and the second
// interrupt makes terraform drop everything.
const (
	onward      = `exec "$@"`
	interrupted = `{ read -r _ <&3; kill -INT $$; } & ` + onward + ` 3<&-`
)

// shell runs a step's text, which is a constant of the runbook, with the parameters in
// its environment.
func (r *Runner) shell(ctx context.Context, run *act.Run, step *declare.Step, values map[string]string, out io.Writer) result {
	said := newCapped(4 << 10)
	res := r.command(ctx, run, step, values, io.MultiWriter(out, said), "", []string{"/bin/sh", "-eu", "-c", step.Body})
	if last := lastLine(said.String()); last != "" && strings.HasPrefix(res.detail, "exit status") && !res.ok {
		res.detail += ": " + last
	}
	return res
}

// lastLine is the last line of an output that has something in it: mostly it says why
// the program has ended. "" where it is too long for that.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	line := strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
	if len(line) > 200 {
		return ""
	}
	return mask(strings.ToValidUTF8(line, "\uFFFD"))
}

// command runs a program in a folder of its own, as the user that steps run as. It
// inherits nothing of ours: no variable, no open file. All that it started ends with it.
func (r *Runner) command(ctx context.Context, run *act.Run, step *declare.Step, env map[string]string, out io.Writer, dir string, argv []string) result {
	home, err := os.MkdirTemp("", "evenkeel-step-")
	if err != nil {
		return result{detail: "cannot make a folder to work in: " + err.Error()}
	}
	defer os.RemoveAll(home)
	if dir == "" {
		dir = home
	}
	id := make([]byte, 8)
	if _, err := rand.Read(id); err != nil {
		return result{detail: "cannot name the step: " + err.Error()}
	}
	mark := "EVENKEEL_ATTEMPT=" + hex.EncodeToString(id)
	ctx, cancel := context.WithTimeout(ctx, step.Timeout)
	defer cancel()
	program := limits + onward
	if step.Language == "terraform" {
		program = limits + interrupted
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", program, "sh", strconv.Itoa(parse.FileSize(step) << 21)}, argv...)...)
	cmd.Dir = dir
	cmd.Env = []string{
		"PATH=" + Path, "LANG=C.UTF-8", "HOME=" + home, "TMPDIR=" + home,
		"EVENKEEL_RUN=" + run.ID, "EVENKEEL_STEP=" + step.Name, mark,
	}
	for _, name := range sortedKeys(env) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	cmd.Stdout, cmd.Stderr = out, out
	if step.Language == "terraform" {
		file, rest, err := r.outlasting(run, step, out)
		if err != nil {
			return result{detail: err.Error()}
		}
		defer rest()
		cmd.Stdout, cmd.Stderr = file, file
		watched, alive, err := os.Pipe()
		if err != nil {
			return result{detail: "cannot start: " + err.Error()}
		}
		defer watched.Close()
		defer alive.Close()
		cmd.ExtraFiles = []*os.File{watched}
	}
	signal, patience, orphaned := ending(step)
	if err := confine(cmd, r.o.User, home, orphaned); err != nil {
		return result{detail: err.Error()}
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, signal) }
	cmd.WaitDelay = patience // then the pipes are closed, whoever still holds them
	// The signal of our death is sent when the thread that started the child ends, so
	// that one must not.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return result{detail: "cannot start: " + err.Error()}
	}
	err = cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what it left behind in the background
	stragglers(mark)
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
