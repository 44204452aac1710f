package runbook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"

	"github.com/evenkeel/evenkeel/declare"
)

// SSH is how hosts are reached.
type SSH struct {
	User       string // where the step names none
	Key        string // file of the private key
	KnownHosts string // file; a host that is not in it is not spoken to
}

// bootstrap is all that is ever said to the remote shell. Names and values come over its
// standard input, in base64, so that none can become text of a command.
const bootstrap = `while IFS= read -r l; do [ "$l" = . ] && break; v=$(printf %s "${l#*=}" | base64 -d; printf x); export "${l%%=*}=${v%x}"; done; eval "$EVENKEEL_SCRIPT"`

var hostForm = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,253}[A-Za-z0-9])?$`)

// ssh runs a step's text on another host, whose key has to be known.
func (r *Runner) ssh(ctx context.Context, step *declare.Step, values map[string]string, out io.Writer) result {
	host := fillPlain(step.Attrs["host"], values)
	if !hostForm.MatchString(host) {
		return result{detail: fmt.Sprintf("got host %.80q, expected a name or an address", host)}
	}
	port := step.Attrs["port"]
	if port == "" {
		port = "22"
	}
	config, err := r.sshConfig(net.JoinHostPort(host, port), step.Attrs["user"])
	if err != nil {
		return result{detail: err.Error()}
	}
	ctx, cancel := context.WithTimeout(ctx, step.Timeout)
	defer cancel()
	late := func(err error) result {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return result{detail: fmt.Sprintf("stopped: it took longer than %s", step.Timeout)}
		}
		return result{detail: err.Error()}
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return late(err)
	}
	defer conn.Close()
	go func() { <-ctx.Done(); _ = conn.Close() }() // ends whatever waits on it
	c, chans, reqs, err := ssh.NewClientConn(conn, net.JoinHostPort(host, port), config)
	if err != nil {
		switch {
		case knownhosts.IsHostKeyChanged(err):
			err = fmt.Errorf("the key of %s is not the one in %s: somebody may be in between", host, r.o.SSH.KnownHosts)
		case knownhosts.IsHostUnknown(err):
			err = fmt.Errorf("%s is not in %s: add its key after looking at it", host, r.o.SSH.KnownHosts)
		}
		return late(err)
	}
	client := ssh.NewClient(c, chans, reqs)
	defer client.Close()
	s, err := client.NewSession()
	if err != nil {
		return late(err)
	}
	defer s.Close()
	s.Stdout, s.Stderr = out, out
	s.Stdin = strings.NewReader(envelope(step.Body, values))
	err = s.Run("exec /bin/sh -eu -c '" + bootstrap + "'")
	var exit *ssh.ExitError
	switch {
	case ctx.Err() != nil:
		return late(ctx.Err())
	case errors.As(err, &exit):
		return result{detail: fmt.Sprintf("exit status %d", exit.ExitStatus())}
	case err != nil:
		return result{detail: "the connection broke off: " + err.Error()}
	}
	return result{ok: true, detail: "exit status 0 on " + host}
}

// envelope is what the bootstrap reads: the values, and the script as one of them.
func envelope(script string, values map[string]string) string {
	var b strings.Builder
	line := func(k, v string) { fmt.Fprintf(&b, "%s=%s\n", k, base64.StdEncoding.EncodeToString([]byte(v))) }
	for _, k := range sortedKeys(values) {
		line(k, values[k])
	}
	line("EVENKEEL_SCRIPT", script)
	b.WriteString(".\n")
	return b.String()
}

func (r *Runner) sshConfig(address, user string) (*ssh.ClientConfig, error) {
	o := r.o.SSH
	if o.KnownHosts == "" || o.Key == "" {
		return nil, errors.New("cannot use ssh: runner.ssh in evenkeel.yml has no key or no known_hosts")
	}
	known, err := knownhosts.NewDB(o.KnownHosts)
	if err != nil {
		return nil, fmt.Errorf("cannot read the known hosts: %w", err)
	}
	pem, err := os.ReadFile(o.Key)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(pem)
	if err != nil {
		return nil, fmt.Errorf("cannot read the key %q: %w", o.Key, err)
	}
	if user == "" {
		user = o.User
	}
	return &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}, Timeout: 10 * time.Second,
		HostKeyCallback: known.HostKeyCallback(), HostKeyAlgorithms: known.HostKeyAlgorithms(address),
	}, nil
}
