package app

import "net/http"

// faces are the pages and our own API.
func (a *App) faces() (map[string]http.Handler, error) {
	return map[string]http.Handler{}, nil
}
