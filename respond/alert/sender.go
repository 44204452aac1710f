package alert

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
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

	verdict verdict // about it; with the first attempt, as until
	tries   int
	until   time.Time // of the last attempt
	err     error     // of the last one that failed
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
		s.p.storms.fail(j.verdict, j.f.g.key)
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
		s.p.storms.end(now, s.receiver, s.in.String(), j.f.g.key, j.alerts, false)
		s.p.notes.add(s.delivery(j, now, "", nil))
		return
	}
	if j.tries == 0 {
		if !s.allowed(j, now, tell) {
			return
		}
		j.until = now.Add(max(j.f.g.node.RouteOpts.GroupInterval, notify.MinTimeout))
		s.p.counters.messages.WithLabelValues(s.in.Name()).Inc()
	}
	ctx, cancel := context.WithDeadline(j.ctx, j.until)
	tell = j.verdict.marked(tell)
	retry, err := s.notify(ctx, tell)
	cancel()
	s.p.counters.attempt(s.in.Name(), time.Since(now), err)
	j.tries++
	if err == nil {
		s.p.sent.WithLabelValues(s.in.Name(), "sent").Inc()
		s.p.failures.clear(s.failure(j))
		x := s.delivery(j, time.Now(), "sent", tell)
		if j.verdict.notice == noticeUpdate {
			x.detail = noticeUpdate
		}
		s.p.notes.add(x)
		return
	}
	if s.d.ctx.Err() != nil {
		s.p.storms.fail(j.verdict, j.f.g.key)
		j.f.receiverDone(false)
		return
	}
	s.p.sent.WithLabelValues(s.in.Name(), "failed").Inc()
	if now = time.Now(); s.p.failures.first(s.failure(j), now) {
		x := s.delivery(nil, now, "failed", tell)
		x.detail = clean(err.Error())
		s.p.records.add(x)
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
	s.p.storms.fail(j.verdict, j.f.g.key)
	s.d.logger.Error("cannot send a message", "receiver", s.receiver, "integration", s.in.String(), "attempts", j.tries, "err", err)
	j.f.receiverDone(false)
}

// notify has the receiver's own code send. What it makes of a strange answer must not end
// the program: a panic is an attempt that failed.
func (s *sender) notify(ctx context.Context, tell []*amalert.Alert) (retry bool, err error) {
	defer func() {
		if x := recover(); x != nil {
			s.d.logger.Error("the code of a receiver has panicked", "receiver", s.receiver, "integration", s.in.String(), "panic", x, "stack", string(debug.Stack()))
			retry, err = false, fmt.Errorf("the answer could not be understood: %v", x)
		}
	}()
	return s.in.Notify(ctx, tell...)
}

func (s *sender) delivery(j *job, at time.Time, status string, told []*amalert.Alert) delivery {
	return delivery{j: j, receiver: s.receiver, integration: s.in.Name(), at: at, status: status, told: told}
}

// allowed says whether a message goes out. Of what does not it sees to the group.
func (s *sender) allowed(j *job, now time.Time, tell []*amalert.Alert) bool {
	group := j.f.g.key
	if !slices.ContainsFunc(tell, func(a *amalert.Alert) bool { return !a.ResolvedAt(now) }) {
		if !s.p.storms.end(now, s.receiver, s.in.String(), group, tell, true) {
			s.p.notes.add(s.delivery(j, now, "", nil))
			return false
		}
		return true
	}
	reason, _ := notify.NotificationReason(j.ctx)
	j.verdict = s.p.storms.ask(now, s.receiver, s.in.String(), s.in.Name(), group, tell, reason == notify.ReasonRepeatIntervalElapsed)
	switch v := j.verdict; {
	case v.drop:
		s.p.notes.add(s.delivery(j, now, "", nil))
		return false
	case v.wait:
		if v.first {
			s.p.sent.WithLabelValues(s.in.Name(), "held").Inc()
		}
		j.f.askAgain(v.until)
		j.f.receiverDone(false)
		return false
	}
	return true
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
