package declare

// Runner is how runbook steps reach what they alter: evenkeel.yml, runner.
type Runner struct {
	User       string // whom steps run as where the server is root; default nobody
	SSH        RunnerSSH
	Kubeconfig string            // file; "" for the cluster that the server is in
	Terraform  string            // the program; default terraform, from the path
	Rehearsal  string            // address where faults are put in place for rehearsals; "" for none
	Secrets    map[string]Secret // by the name that runbooks use
}

// RunnerSSH is how ssh steps reach hosts.
type RunnerSSH struct {
	User       string
	Key        string // file of the private key
	KnownHosts string // file; hosts that are not in it are not spoken to
}
