package shop

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Host is where everything listens: never anywhere else, for the deployer obeys
// whoever can reach it.
const Host = "127.0.0.1"

// Ports are the ports on loopback. 0 asks the system for a free one.
type Ports struct {
	Control, Checkout, Payments, Catalog, Newsletter int
}

// DefaultPorts are those that the workspace in this folder is written for.
var DefaultPorts = Ports{Control: 7080, Checkout: 7081, Payments: 7082, Catalog: 7083, Newsletter: 7084}

func (p Ports) of(name string) int {
	switch name {
	case checkoutName:
		return p.Checkout
	case paymentsName:
		return p.Payments
	case catalogName:
		return p.Catalog
	case newsletterName:
		return p.Newsletter
	}
	return p.Control
}

func address(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

// controlName is the deployer among the listeners.
const controlName = "control"

// Listeners are the sockets of the shop, open before anything runs: who knocks
// early waits. Shop.Run closes them; without it, Close does.
type Listeners struct {
	byName map[string]*net.TCPListener
	files  map[string]*os.File // duplicates that the children inherit
	ports  Ports
}

// Listen opens the sockets. Ports says afterwards which ones they are.
func Listen(want Ports) (*Listeners, error) {
	l := &Listeners{byName: map[string]*net.TCPListener{}, files: map[string]*os.File{}}
	into := map[string]*int{
		controlName: &l.ports.Control, checkoutName: &l.ports.Checkout, paymentsName: &l.ports.Payments,
		catalogName: &l.ports.Catalog, newsletterName: &l.ports.Newsletter,
	}
	for name, port := range into {
		ln, err := net.Listen("tcp", address(want.of(name)))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot listen for the shop's %s: %w", name, err), l.Close())
		}
		l.byName[name] = ln.(*net.TCPListener)
		*port = ln.Addr().(*net.TCPAddr).Port
		if name == controlName {
			continue // served by this process
		}
		if l.files[name], err = inheritable(l.byName[name]); err != nil {
			return nil, errors.Join(fmt.Errorf("cannot duplicate the socket of %s: %w", name, err), l.Close())
		}
	}
	return l, nil
}

// inheritable duplicates a socket for the children. It does not use File: a file
// from there turns its socket, and with it everybody's, to blocking mode when it
// is handed to a child, and a version that waits in accept could not let go.
func inheritable(ln *net.TCPListener) (*os.File, error) {
	raw, err := ln.SyscallConn()
	if err != nil {
		return nil, err
	}
	var (
		fd     int
		dupErr error
	)
	if err := raw.Control(func(s uintptr) { fd, dupErr = unix.FcntlInt(s, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, dupErr
	}
	return os.NewFile(uintptr(fd), ln.Addr().String()), nil
}

// Ports are the ports that are open.
func (l *Listeners) Ports() Ports { return l.ports }

// Close closes the sockets. A second call does nothing.
func (l *Listeners) Close() error {
	var errs []error
	for _, f := range l.files {
		errs = append(errs, notClosed(f.Close()))
	}
	for _, ln := range l.byName {
		errs = append(errs, notClosed(ln.Close()))
	}
	return errors.Join(errs...)
}

func notClosed(err error) error {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
