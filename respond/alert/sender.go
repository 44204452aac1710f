package alert

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
)

const (
	// sendersAtOnce is how many messages one receiver is sent at the same time. What it is
	// slow to take waits, and holds up nobody else.
	sendersAtOnce = 128
	firstPause    = 500 * time.Millisecond // before an attempt that failed is made again
	longestPause  = time.Minute
)

// sender tells one receiver in one way.
type sender struct {
	p        *Pipeline
	d        *dispatcher
	in       notify.Integration
	receiver string
	dedup    *notify.DedupStage
	note     *notify.SetNotifiesStage

	mu      sync.Mutex
	queue   []*job
	workers int
}

// job is one message.
type job struct {
	f      *flight
	s      *sender
	ctx    context.Context //nolint:containedctx // what Alertmanager's notifiers read
	alerts []*amalert.Alert
	tries  int
	until  time.Time // of the last attempt; set with the first
	err    error     // of the last one that failed
}

func newSender(p *Pipeline, in notify.Integration, receiver string) *sender {
	recv := &nflogpb.Receiver{GroupName: receiver, Integration: in.Name(), Idx: uint32(in.Index())}
	return &sender{p: p, in: in, receiver: receiver, dedup: notify.NewDedupStage(&in, p.log, recv), note: notify.NewSetNotifiesStage(p.log, recv)}
}

// take puts a message into the queue.
func (s *sender) take(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, j)
	if s.workers < sendersAtOnce {
		s.workers++
		s.d.done.Go(s.work)
	}
}

func (s *sender) work() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			s.workers--
			s.mu.Unlock()
			return
		}
		j := s.queue[0]
		s.queue[0] = nil
		if s.queue = s.queue[1:]; len(s.queue) == 0 {
			s.queue = nil
		}
		s.mu.Unlock()
		s.send(j)
	}
}

// send makes one attempt.
func (s *sender) send(j *job) {
	if s.d.ctx.Err() != nil {
		j.f.receiverDone(false) // another routing is in force, or none
		return
	}
	now := time.Now()
	tell := j.alerts
	if !s.in.SendResolved() {
		tell = nil
		for _, a := range j.alerts {
			if !a.ResolvedAt(now) {
				tell = append(tell, a)
			}
		}
	}
	if len(tell) == 0 { // only the end, and the receiver is not told of ends
		s.p.records.add(delivery{j: j, at: now})
		return
	}
	if s.p.storms.hold(j.ctx, now, s.receiver+"\xff"+s.in.String(), tell) {
		s.p.sent.WithLabelValues(s.in.Name(), "held").Inc()
		s.p.records.add(delivery{j: j, at: now})
		return
	}
	if j.tries == 0 {
		j.until = now.Add(max(j.f.g.node.RouteOpts.GroupInterval, notify.MinTimeout))
		s.p.counters.messages.WithLabelValues(s.in.Name()).Inc()
	}
	ctx, cancel := context.WithDeadline(j.ctx, j.until)
	retry, err := s.in.Notify(ctx, tell...)
	cancel()
	s.p.counters.attempt(s.in.Name(), time.Since(now), err)
	j.tries++
	if err == nil {
		s.p.sent.WithLabelValues(s.in.Name(), "sent").Inc()
		s.p.failures.clear(s.failure(j))
		s.p.records.add(delivery{j: j, at: time.Now(), status: "sent", told: tell})
		return
	}
	if s.d.ctx.Err() != nil {
		j.f.receiverDone(false)
		return
	}
	s.p.sent.WithLabelValues(s.in.Name(), "failed").Inc()
	if now = time.Now(); s.p.failures.first(s.failure(j), now) {
		s.p.records.add(delivery{s: s, at: now, status: "failed", detail: clean(err.Error()), told: tell})
	}
	if pause := pauseAfter(j.tries); retry && now.Add(pause).Before(j.until) {
		if j.err == nil || j.err.Error() != err.Error() {
			s.d.logger.Warn("cannot send a message, trying again", "receiver", s.receiver, "integration", s.in.String(), "attempts", j.tries, "err", err)
		}
		j.err = err
		time.AfterFunc(pause, func() { s.take(j) })
		return
	}
	reason := notify.DefaultReason
	var e *notify.ErrorWithReason
	if errors.As(err, &e) {
		reason = e.Reason
	}
	s.p.counters.failed.WithLabelValues(s.in.Name(), reason.String()).Inc()
	s.d.logger.Error("cannot send a message", "receiver", s.receiver, "integration", s.in.String(), "attempts", j.tries, "err", err)
	j.f.receiverDone(false)
}

// failure is what failures of one delivery are counted by.
func (s *sender) failure(j *job) string {
	return s.receiver + "\xff" + s.in.String() + "\xff" + j.f.g.key
}

// pauseAfter grows by half with each attempt, and is a little different each time.
func pauseAfter(tries int) time.Duration {
	pause := firstPause
	for range min(tries-1, 20) {
		pause += pause / 2
	}
	pause = min(pause, longestPause)
	return pause/2 + rand.N(pause)
}
