package settings

import (
	"net/url"
	"regexp"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var secretName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

func runner(n yamldoc.Node) declare.Runner {
	n.Only("user", "ssh", "kubeconfig", "terraform", "rehearsal", "secrets")
	r := declare.Runner{User: n.Field("user").String(), Kubeconfig: n.Field("kubeconfig").String(), Terraform: n.Field("terraform").String()}
	if n := n.Field("rehearsal"); !n.Missing() {
		r.Rehearsal = n.String()
		if u, err := url.Parse(r.Rehearsal); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
			n.Problem(r.Rehearsal, "an address as http://127.0.0.1:7080", "")
		}
	}
	if r.User == "" {
		r.User = "nobody"
	}
	s := n.Field("ssh")
	s.Only("user", "key", "known_hosts")
	r.SSH = declare.RunnerSSH{User: s.Field("user").String(), Key: s.Field("key").String(), KnownHosts: s.Field("known_hosts").String()}
	if !s.Missing() && (r.SSH.Key == "" || r.SSH.KnownHosts == "") {
		s.Problem("", "key and known_hosts: a host is spoken to only when its key is known", "")
	}
	for _, p := range n.Field("secrets").Pairs() {
		name := p.Key.Text()
		if !secretName.MatchString(name) {
			p.Key.Problem(name, "a name as db_password: it is the step's environment variable", "")
		}
		p.Value.Only("file", "env")
		where := declare.Secret{File: p.Value.Field("file").String(), Env: p.Value.Field("env").String()}
		if (where.File == "") == (where.Env == "") {
			p.Value.Problem("", "either file or env, where the secret is", "the secret itself does not stand here")
		}
		if r.Secrets == nil {
			r.Secrets = map[string]declare.Secret{}
		}
		r.Secrets[name] = where
	}
	return r
}
