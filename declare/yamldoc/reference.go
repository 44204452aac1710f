package yamldoc

// Reference is a name written in one file that has to be declared in another (or
// elsewhere in the same one). Readers collect them; the workspace looks them up once
// every file has been read.
type Reference struct {
	Kind string // service, team, person, system, resource, level, objective, runbook
	Name string
	At   Node
}
