package api

import (
	"context"
	"time"

	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/respond/status"
)

// StatusPages is what the API does with status pages; *status.Book is one.
type StatusPages interface {
	Page(ctx context.Context, now time.Time, system string) (status.Page, error)
	Subscribers(ctx context.Context, system string) ([]status.Subscriber, error)
	Subscribe(ctx context.Context, now time.Time, actor journal.Actor, system, url string) (status.Subscriber, error)
	Unsubscribe(ctx context.Context, now time.Time, actor journal.Actor, id int64) error
}

func (s *server) statusPageRoutes() []route {
	return []route{
		get("/status-pages/{system}", "What those outside see of a system.", s.statusPage),
		get("/status-pages/{system}/subscribers", "Webhooks that are told of its public updates.", s.subscribers),
		send(post, "/status-pages/{system}/subscribers", "Tell a webhook of its public updates.", created, s.subscribe),
		remove("/status-pages/{system}/subscribers/{subscriber}", "Tell it nothing any more.", s.unsubscribe),
	}
}

func (s *server) statusPage(c *call, _ none) (StatusPage, error) {
	if s.StatusPages == nil {
		return StatusPage{}, unavailable("status pages")
	}
	p, err := s.StatusPages.Page(c.Context(), c.now, c.PathValue("system"))
	return StatusPage(p), err
}

// StatusPage is what a status page shows.
type StatusPage status.Page

func (s *server) subscribers(c *call, _ none) (List[status.Subscriber], error) {
	if s.StatusPages == nil {
		return List[status.Subscriber]{}, unavailable("status pages")
	}
	all, err := s.StatusPages.Subscribers(c.Context(), c.PathValue("system"))
	return listOf(all), err
}

// NewSubscriber is a webhook.
type NewSubscriber struct {
	URL string `json:"url"`
}

func (s *server) subscribe(c *call, in NewSubscriber) (status.Subscriber, error) {
	if s.StatusPages == nil {
		return status.Subscriber{}, unavailable("status pages")
	}
	return s.StatusPages.Subscribe(c.Context(), c.now, c.me.Actor(), c.PathValue("system"), in.URL)
}

func (s *server) unsubscribe(c *call, _ none) (none, error) {
	if s.StatusPages == nil {
		return none{}, unavailable("status pages")
	}
	id, err := c.number("subscriber")
	if err != nil {
		return none{}, err
	}
	return none{}, s.StatusPages.Unsubscribe(c.Context(), c.now, c.me.Actor(), id)
}
