package shop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"
)

// defaultLeakBytes bounds the receipts that release 1.4.2 keeps: with what the
// process needs besides, about 300 MB resident.
const defaultLeakBytes = 220 << 20

// Options of a shop.
type Options struct {
	// Binary is started again for each process, as Binary shop …; default: this program.
	Binary string
	// Dir keeps the announcements that Evenkeel has not taken yet, so that none is
	// lost when this process ends; "" keeps them in memory only.
	Dir string
	// EvenkeelURL takes the changes and payments' metrics, as http://127.0.0.1:7070;
	// "": nobody is told.
	EvenkeelURL string
	Token       string // of Evenkeel's API, for the changes
	// Ports to listen on where Listeners is nil. The zero value means free ports.
	Ports     Ports
	Listeners *Listeners // from Listen, for who must know the ports before; the shop closes them
	Rate      float64    // of the load, requests a second; default 45
	LeakBytes int64      // bound of the memory leak; default 220 MiB
	Logger    *slog.Logger
	Log       io.Writer // takes what the processes log; default: nobody
}

// Shop is the deployer and, once Run, everything that it looks after.
type Shop struct {
	o        Options
	sockets  *Listeners
	units    map[string]*unit
	announce *announcer
	inbox    *inbox
	stderr   io.Writer
	ready    chan struct{}

	running context.Context // of Run; set before ready is closed
	parts   sync.WaitGroup  // goroutines that look after processes

	mu   sync.Mutex
	load *child
}

// New opens the sockets; Run starts the shop, or Close closes them again.
func New(o Options) (*Shop, error) {
	if o.Binary == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("cannot find this program: %w", err)
		}
		o.Binary = self
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Rate == 0 {
		o.Rate = defaultRate
	}
	if o.LeakBytes == 0 {
		o.LeakBytes = defaultLeakBytes
	}
	s := &Shop{o: o, sockets: o.Listeners, units: map[string]*unit{}, inbox: &inbox{}, ready: make(chan struct{})}
	if o.Log != nil {
		s.stderr = &shared{w: o.Log}
	}
	for _, name := range services {
		s.units[name] = &unit{name: name, flags: map[string]string{}}
	}
	s.units[newsletterName].flags[digestFlag] = "off"
	var err error
	if s.announce, err = newAnnouncer(o.EvenkeelURL, o.Token, o.Dir, o.Logger); err != nil {
		return nil, err
	}
	if s.sockets == nil {
		if s.sockets, err = Listen(o.Ports); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close closes the sockets of a shop that was never run.
func (s *Shop) Close() error { return s.sockets.Close() }

// Ports are those that it listens on.
func (s *Shop) Ports() Ports { return s.sockets.Ports() }

// ControlURL is where the deployer's page and API are.
func (s *Shop) ControlURL() string { return s.url(controlName) }

func (s *Shop) url(name string) string { return "http://" + address(s.sockets.ports.of(name)) }

// Ready is closed when all services are healthy and customers come.
func (s *Shop) Ready() <-chan struct{} { return s.ready }

// Run starts the services, the load and the deployer's page, and keeps them up
// until the context ends. It returns when every process of the shop has ended.
func (s *Shop) Run(ctx context.Context) error {
	defer s.sockets.Close()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	s.running = running

	server := &http.Server{Handler: s.control(), ReadHeaderTimeout: 5 * time.Second}
	var fronts sync.WaitGroup
	failed := make(chan error, 2)
	fronts.Go(func() {
		if err := server.Serve(s.sockets.byName[controlName]); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("cannot serve the deployer's page: %w", err)
		}
	})
	fronts.Go(func() { s.announce.run(running) })

	err := s.open(running)
	if err == nil {
		close(s.ready)
		s.o.Logger.Info("shop is open", "control", s.ControlURL())
		select {
		case <-ctx.Done():
		case err = <-failed:
		}
	}
	cancel() // nothing is started again from here on
	s.shut()
	s.parts.Wait()
	last, stop := context.WithTimeout(context.Background(), 3*time.Second)
	defer stop()
	if server.Shutdown(last) != nil {
		_ = server.Close() // a browser that will not let go
	}
	fronts.Wait()
	if err != nil && ctx.Err() != nil {
		return nil // it was ended while it started
	}
	return err
}

// open starts what is depended on first, and the customers last.
func (s *Shop) open(ctx context.Context) error {
	for _, name := range services {
		if err := s.units[name].start(ctx, s, goodVersion(name)); err != nil {
			return err
		}
	}
	return s.startLoad()
}

func (s *Shop) startLoad() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.running.Err(); err != nil {
		return err // the shop closes: nothing is started any more
	}
	c, err := spawn(s.o.Binary, "load", "", []string{
		"load", "--supervised", "--checkout", s.url(checkoutName), "--catalog", s.url(catalogName), "--rate", fmt.Sprint(s.o.Rate),
	}, nil, s.stderr)
	if err != nil {
		return err
	}
	s.load = c
	s.parts.Go(func() {
		<-c.exited
		if c.stopping.Load() || pause(s.running, time.Second) != nil {
			return
		}
		s.o.Logger.Warn("load ended by itself; starting it again", "err", c.err)
		if err := s.startLoad(); err != nil {
			s.o.Logger.Error("cannot start load again", "err", err)
		}
	})
	return nil
}

// shut ends the customers first and what is depended on last.
func (s *Shop) shut() {
	s.mu.Lock()
	load := s.load
	s.mu.Unlock()
	if load != nil {
		load.stop(customerPatience + time.Second)
	}
	var all sync.WaitGroup
	for _, name := range services {
		all.Go(func() { s.units[name].shut() })
	}
	all.Wait()
}
