package hook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act"
	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// Sources are the names under /hooks/.
var Sources = []string{"argocd", "cdevents", "cloudevents", "flux", "github", "gitlab", "terraform"}

// maxBody bounds one call; GitHub's own bound is 25 MB, what it sends of changes is
// far smaller.
const maxBody = 4 << 20

// queue is how many changes may wait to be looked at by the next room.
const queue = 1024

// Options of a Handler. All are required but those that say otherwise.
type Options struct {
	Changes *change.Book
	// Secret returns the secret of a source, or why there is none.
	Secret func(source string) (string, error)
	// Service finds the service that one of a sender's names means, "" for none.
	Service func(source string, names ...string) declare.ServiceID
	Now     func() time.Time // optional: time.Now
	Logger  *slog.Logger     // optional: slog.Default
}

// Handler serves /hooks/{source}.
type Handler struct {
	o     Options
	later chan []act.Change
}

// New returns the handler. Run tells the next room of what it stored.
func New(o Options) *Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Handler{o: o, later: make(chan []act.Change, queue)}
}

// Run hands on what was stored until ctx ends: the sender does not wait for it.
func (h *Handler) Run(ctx context.Context) error {
	for {
		select {
		case changes := <-h.later:
			h.o.Changes.Recorded(ctx, changes)
		case <-ctx.Done():
			return nil
		}
	}
}

// Answer is what a sender is told.
type Answer struct {
	Recorded []string `json:"recorded"`          // IDs of changes that are new or were updated
	Ignored  string   `json:"ignored,omitempty"` // why nothing was recorded, in words
	Error    string   `json:"error,omitempty"`
}

// ServeHTTP takes one delivery.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	status, a := h.take(w, r)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if a.Recorded == nil {
		a.Recorded = []string{}
	}
	if err := json.NewEncoder(w).Encode(a); err != nil {
		h.o.Logger.Debug("a hook's answer was not taken", "err", err)
	}
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request) (int, Answer) {
	source := r.PathValue("source")
	no := func(status int, err error) (int, Answer) {
		h.o.Logger.Warn("a delivery was not taken", "source", source, "status", status, "from", r.RemoteAddr, "err", err)
		return status, Answer{Error: err.Error()}
	}
	if !slices.Contains(Sources, source) {
		return no(http.StatusNotFound, fmt.Errorf("there is no hook %q: expected one of %s", cut(source), strings.Join(Sources, ", ")))
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return no(http.StatusMethodNotAllowed, errors.New("expected POST"))
	}
	secret, err := h.o.Secret(source)
	if err != nil || secret == "" {
		if err == nil {
			err = errors.New("no secret is declared")
		}
		return no(http.StatusForbidden, fmt.Errorf("the hook %s is closed: %w", source, err))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return no(http.StatusRequestEntityTooLarge, fmt.Errorf("the body is too large: expected at most %d bytes", maxBody))
		}
		return no(http.StatusBadRequest, fmt.Errorf("cannot read the body: %w", err))
	}
	now := h.o.Now()
	id, err := verify(source, r, secret, body, now)
	if err != nil {
		return no(http.StatusUnauthorized, err)
	}
	in := input{source: source, header: r.Header, body: body, now: now, service: func(names ...string) declare.ServiceID { return h.o.Service(source, names...) }}
	d, ignored, err := read(in)
	if err != nil {
		return no(http.StatusUnprocessableEntity, err)
	}
	// The header with the ID is mostly not signed, the body is: both are remembered. A
	// body that two calls may well have in common brings another ID.
	d.Source = source
	if len(d.IDs) == 0 {
		sum := sha256.Sum256(body)
		d.IDs = append(d.IDs, "body:"+hex.EncodeToString(sum[:]))
	}
	if id != "" && len(id) <= 200 {
		d.IDs = append(d.IDs, "id:"+id)
	}
	if at := newest(d); !at.IsZero() && now.Sub(at) > change.KeepDeliveries-24*time.Hour {
		return no(http.StatusConflict, fmt.Errorf("what it reports is of %s: too old to tell it from a replay; record it with evenkeel change import", at.UTC().Format(time.RFC3339)))
	}
	fresh, err := h.o.Changes.Take(r.Context(), now, journal.Actor("hook:"+source), d)
	var bad *act.InvalidError
	var conflict *act.ConflictError
	switch {
	case errors.Is(err, change.ErrReplayed):
		return no(http.StatusConflict, err)
	case errors.As(err, &bad):
		return no(http.StatusUnprocessableEntity, err)
	case errors.As(err, &conflict):
		return no(http.StatusConflict, err)
	case err != nil:
		h.o.Logger.Error("cannot store a delivery", "source", source, "err", err)
		if state.Full(err) {
			return http.StatusInsufficientStorage, Answer{Error: "the disk is full: the delivery could not be stored; send it again once there is room"}
		}
		return http.StatusInternalServerError, Answer{Error: "the delivery could not be stored; send it again"}
	}
	if len(fresh) > 0 {
		select {
		case h.later <- fresh:
		default:
			h.o.Changes.Recorded(r.Context(), fresh)
		}
	}
	a := Answer{Ignored: ignored}
	for _, c := range d.Changes {
		a.Recorded = append(a.Recorded, c.ID)
	}
	return http.StatusAccepted, a
}

// newest is when the latest thing happened that a delivery tells of.
func newest(d act.Delivery) time.Time {
	var out time.Time
	later := func(at time.Time) {
		if at.After(out) {
			out = at
		}
	}
	for _, c := range d.Changes {
		later(c.StartedAt)
		later(c.EndedAt)
	}
	for _, m := range d.Merges {
		later(m.CreatedAt)
		later(m.ReviewedAt)
		later(m.MergedAt)
		later(m.CommittedAt)
	}
	return out
}

// input is a delivery whose sender is known.
type input struct {
	source  string
	header  http.Header
	body    []byte
	now     time.Time
	service func(names ...string) declare.ServiceID
}

// read understands a delivery. What is understood and alters nothing is ignored, with
// a reason.
func read(in input) (d act.Delivery, ignored string, err error) {
	switch in.source {
	case "github":
		return github(in)
	case "gitlab":
		return gitlab(in)
	case "argocd":
		return argocd(in)
	case "flux":
		return flux(in)
	case "terraform":
		return terraform(in)
	}
	return cloudevents(in)
}

func invalid(field, got, want string) error {
	return &act.InvalidError{Field: field, Got: cut(got), Want: want}
}

func cut(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

// line makes one line of at most 300 bytes of what others wrote.
func line(s string) string {
	s = strings.Join(strings.Fields(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:297], "") + "…"
	}
	return s
}

var idUnfit = func(r rune) rune {
	if r < 128 && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("_.:/@-", r)) {
		return r
	}
	return '-'
}

// changeID makes an ID of a sender's own names. A long one ends with a hash, so that
// two stay two.
func changeID(parts ...string) string {
	id := strings.Map(idUnfit, strings.Join(parts, ":"))
	if len(id) > 120 {
		sum := sha256.Sum256([]byte(strings.Join(parts, ":")))
		id = id[:100] + "-" + hex.EncodeToString(sum[:8])
	}
	return id
}

// short is a commit as people write it.
func short(sha string) string {
	if len(sha) >= 40 && strings.Trim(sha, "0123456789abcdef") == "" {
		return sha[:12]
	}
	return sha
}

// on puts a change on its service, or, where none is known, on the thing that the
// sender named.
func (in input) on(c *act.Change, resource string, names ...string) {
	if c.Service = in.service(names...); c.Service == "" {
		c.Resources = append(c.Resources, line(resource))
	}
}
