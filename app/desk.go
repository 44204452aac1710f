package app

import "github.com/evenkeel/evenkeel/declare"

// tierOf is how important a service is, 0 where that is not declared.
func (a *App) tierOf(s declare.ServiceID) int {
	if svc := a.ws().Service(s); svc != nil {
		return svc.Tier
	}
	return 0
}
