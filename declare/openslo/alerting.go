package openslo

import "github.com/evenkeel/evenkeel/declare/yamldoc"

// policies looks up what an SLO's alertPolicies refer to. What a policy says is not
// used: objectives are alerted on by burn rate, and routing.yml says whom to tell.
func (f *Folder) policies(list yamldoc.Node) {
	for _, p := range list.List() {
		f.either(p, "alertPolicyRef", "AlertPolicy", f.policy)
	}
}

func (f *Folder) policy(spec yamldoc.Node) {
	for _, c := range spec.Field("conditions").List() {
		f.either(c, "conditionRef", "AlertCondition", nil)
	}
	for _, t := range spec.Field("notificationTargets").List() {
		f.either(t, "targetRef", "AlertNotificationTarget", nil)
	}
}

// either reads an object that is inline or referred to by name.
func (f *Folder) either(n yamldoc.Node, key, kind string, inline func(spec yamldoc.Node)) {
	if !n.Mapping() {
		return
	}
	if ref := n.Field(key); !ref.Missing() {
		f.lookup(kind, ref)
		return
	}
	n.Only(key, "apiVersion", "kind", "metadata", "spec")
	if n.Field("spec").Missing() {
		n.Problem("", "an "+kind+", or "+key, "")
		return
	}
	if inline != nil {
		inline(n.Field("spec"))
	}
}
