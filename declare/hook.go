package declare

// Hook is a webhook that takes changes from another system.
type Hook struct {
	Secret   Secret
	Services map[string]ServiceID // the sender's names, as acme/checkout, and whose they are
}

// Secret is where a secret is, never the secret: one of the two is set.
type Secret struct {
	Env  string // name of an environment variable
	File string // path of a file, relative to the workspace
}
