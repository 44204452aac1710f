package web

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/learn/toil"
)

func (e *estate) toil(ctx context.Context, from, to time.Time) (toil.Report, error) {
	spans, err := toil.NewBook(e.db).Spans(ctx, from, to)
	return toil.Make(spans, from, to, func(declare.TeamID) int { return 2 }), err
}

func TestTheToilPage(t *testing.T) {
	e := busy(t)
	h := e.handler()
	if text := body(t, get(t, h, e, "alice", "/toil")); !strings.Contains(text, "No toil is on record") {
		t.Error(text)
	}
	if res := post(t, h, e, "alice", "/toil", url.Values{"duration": {"20m"}, "text": {"cleared <b>the queue</b>"}}); res.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", res.StatusCode)
	}
	if res := post(t, h, e, "alice", "/toil", url.Values{"duration": {"soon"}, "text": {"x"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("got %d", res.StatusCode)
	}
	if text := body(t, get(t, h, e, "alice", "/toil")); !strings.Contains(text, "cleared &lt;b&gt;the queue&lt;/b&gt;") || !strings.Contains(text, ">0.3<") || !strings.Contains(text, ">20<") {
		t.Error(text)
	}
}
