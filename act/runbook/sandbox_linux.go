package runbook

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// confine lets a command run as somebody else, in a process group of its own that gets a
// signal when we die; 0 for none.
func confine(cmd *exec.Cmd, as, dir string, orphaned syscall.Signal) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
	uid, gid, err := other(as)
	if err != nil || uid == 0 {
		return err
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid, Groups: []uint32{}}
	return handOver(dir, as)
}

// other is the user that steps run as; 0 for ourselves.
func other(as string) (uid, gid uint32, err error) {
	if as == "" || os.Geteuid() != 0 {
		return 0, 0, nil
	}
	u, err := user.Lookup(as)
	if err != nil {
		return 0, 0, fmt.Errorf("cannot run as %q: %w", as, err)
	}
	id, err1 := strconv.ParseUint(u.Uid, 10, 32)
	group, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return 0, 0, fmt.Errorf("cannot run as %q: got uid %q and gid %q", as, u.Uid, u.Gid)
	}
	return uint32(id), uint32(group), nil
}

// handOver gives a folder to the user that steps run as.
func handOver(dir, as string) error {
	uid, gid, err := other(as)
	if err != nil || uid == 0 {
		return err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return fmt.Errorf("cannot hand the folder %q over: %w", dir, err)
	}
	return nil
}

// stragglers kills what has left the step's process group, or has outlived the server:
// whatever it did, its environment names the step still.
func stragglers(mark string) {
	for range 3 { // one may fork while we look
		found := marked(mark)
		for _, pid := range found {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if len(found) == 0 {
			return
		}
	}
}

// marked are the processes whose environment has a mark.
func marked(mark string) (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, f := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil || pid == os.Getpid() {
			continue
		}
		if env, err := os.ReadFile(f); err == nil && bytes.Contains(env, []byte(mark)) {
			pids = append(pids, pid)
		}
	}
	return pids
}
