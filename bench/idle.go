//go:build bench

package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// idle is the memory of the whole program with the workspace of the shop, beside that of
// the separate tools it stands for, with nothing sent to any of them.
func (b *bench) idle(ctx context.Context) error {
	const rest = 20 * time.Second
	var tools []*process
	defer func() {
		for _, p := range tools {
			p.stop()
		}
	}()
	add := func(p *process, err error) error {
		if err == nil {
			tools = append(tools, p)
		}
		return err
	}
	dir, err := os.MkdirTemp(b.dir, "idle-")
	if err != nil {
		return err
	}
	ws := filepath.Join(dir, "workspace")
	if err := os.CopyFS(ws, os.DirFS("examples/shop/workspace")); err != nil {
		return fmt.Errorf("cannot copy the workspace of the shop (run this in the project's folder): %w", err)
	}
	addr, err := free()
	if err != nil {
		return err
	}
	if err := add(b.start(ctx, b.Evenkeel, addr, "/-/ready", "serve", "-w", ws, "-d", filepath.Join(dir, "data"), "--listen", addr)); err != nil {
		return err
	}
	if err := add(b.prometheus(ctx, "", nil)); err != nil {
		return err
	}
	if err := add(b.alertmanager(ctx, "route: {receiver: none}\nreceivers: [{name: none}]\n")); err != nil {
		return err
	}
	if err := add(b.victoriaLogs(ctx, filepath.Join(dir, "victoria-logs"))); err != nil {
		return err
	}
	jaegerDir := filepath.Join(dir, "jaeger")
	if err := os.MkdirAll(jaegerDir, 0o755); err != nil {
		return err
	}
	j, err := b.jaeger(ctx, jaegerDir)
	if err != nil {
		return err
	}
	tools = append(tools, j.process)
	if err := pause(ctx, rest); err != nil {
		return err
	}
	var mine, theirs float64
	table := [][]string{{"program", "memory (RSS)", "CPU a second"}}
	for i, p := range tools {
		before, err := of(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if err := pause(ctx, 5*time.Second); err != nil {
			return err
		}
		after, err := of(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		m, err := rss(p.cmd.Process.Pid)
		if err != nil {
			return err
		}
		table = append(table, []string{p.name, size(m), fmt.Sprintf("%.1f %% of a core", (after-before)/5*100)})
		if i == 0 {
			mine = m
		} else {
			theirs += m
		}
	}
	b.Section("Idle")
	b.Text("The whole program with the workspace of the demo, %s after its start, with nothing sent to it but its own metrics and those of this machine; beside the tools whose work it does, each as it starts, without a rule or a route to keep.", rest)
	b.Table(append(table, []string{"the four tools together", size(theirs), ""})...)
	b.Goal("idle memory of the whole program", mine/(1<<20), true, 200, " MiB")
	b.Goal("idle memory of Prometheus, Alertmanager, victoria-logs and Jaeger together, times ours", theirs/mine, false, 1, "")
	return nil
}

// rss is the memory of a process in bytes.
func rss(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			return kib * 1024, nil
		}
	}
	return 0, fmt.Errorf("process %d has no VmRSS", pid)
}
