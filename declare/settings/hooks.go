package settings

import (
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var hookSources = []string{"argocd", "cdevents", "cloudevents", "flux", "github", "gitlab", "terraform"}

var envReference = regexp.MustCompile(`^\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}$`)

// hooks reads who may report changes. A secret is never in the file itself.
func hooks(n yamldoc.Node) map[string]declare.Hook {
	if !n.Mapping() {
		return nil
	}
	out := map[string]declare.Hook{}
	for _, p := range n.Pairs() {
		source := p.Key.Text()
		if !slices.Contains(hookSources, source) {
			p.Key.Problem(source, "one of "+strings.Join(hookSources, ", "), yamldoc.Suggest(source, hookSources))
			continue
		}
		p.Value.Only("secret", "secret_file", "services")
		h := declare.Hook{Services: map[string]declare.ServiceID{}}
		secret, file := p.Value.Field("secret"), p.Value.Field("secret_file")
		switch {
		case !secret.Missing() && !file.Missing():
			file.Problem(file.Text(), "either secret or secret_file", "")
		case !file.Missing():
			h.Secret.File = file.String()
		case secret.Missing():
			p.Value.Problem("", "a secret as ${env:GITHUB_WEBHOOK_SECRET}, or a secret_file", "without one nothing is taken")
		default:
			m := envReference.FindStringSubmatch(secret.String())
			if m == nil {
				secret.Problem("…", "an environment variable as ${env:GITHUB_WEBHOOK_SECRET}, or secret_file", "a secret does not belong into this file")
				break
			}
			h.Secret.Env = m[1]
		}
		for name, service := range p.Value.Field("services").StringMap() {
			h.Services[strings.ToLower(name)] = declare.ServiceID(service)
		}
		out[source] = h
	}
	return out
}
