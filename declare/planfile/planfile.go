// Package planfile reads what `terraform show -json` (or OpenTofu's) says of a plan.
//
// In: one file, hostile. Out: Problems: an error for each resource that keeps data and
// would be destroyed or replaced, unless its address is expected; warnings for others that
// would be, for what was changed by hand meanwhile, and for a plan that is not complete.
// Promise: values are never repeated, be they marked as sensitive or not.
package planfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// MaxBytes bounds one plan.
const MaxBytes = 64 << 20

// plan is what is read of the format; its version 1 promises these names.
type plan struct {
	FormatVersion    string          `json:"format_version"`
	TerraformVersion string          `json:"terraform_version"`
	PlannedValues    json.RawMessage `json:"planned_values"`
	ResourceChanges  []struct {
		Address         string `json:"address"`
		PreviousAddress string `json:"previous_address"`
		Mode            string `json:"mode"`
		Type            string `json:"type"`
		ActionReason    string `json:"action_reason"`
		Deposed         string `json:"deposed"`
		Change          struct {
			Actions      []string `json:"actions"`
			ReplacePaths [][]any  `json:"replace_paths"`
		} `json:"change"`
	} `json:"resource_changes"`
	ResourceDrift []struct {
		Address string `json:"address"`
		Change  struct {
			Actions []string `json:"actions"`
		} `json:"change"`
	} `json:"resource_drift"`
	Errored  bool  `json:"errored"`
	Complete *bool `json:"complete"`
	Checks   []struct {
		Address struct {
			Display string `json:"to_display"`
		} `json:"address"`
		Status string `json:"status"`
	} `json:"checks"`
}

// Is says whether a file looks like a plan.
func Is(data []byte) bool {
	head := bytes.TrimSpace(data[:min(len(data), 4096)])
	return len(head) > 0 && head[0] == '{' && bytes.Contains(head, []byte(`"format_version"`)) &&
		(bytes.Contains(head, []byte(`"terraform_version"`)) || bytes.Contains(data, []byte(`"resource_changes"`)) || bytes.Contains(head, []byte(`"planned_values"`)))
}

// keeps matches types of resources that keep what cannot be made again: the words of
// databases, volumes, buckets, keys, queues and zones in the names that providers use.
var keeps = regexp.MustCompile(`(^|_)(db|database|rds|sql|postgresql|mysql|mariadb|mongodb|cosmosdb|dynamodb|bigtable|bigquery|spanner|redshift|elasticache|redis|memorystore|opensearch|elasticsearch|` +
	`bucket|s3|storage|blob|volume|disk|ebs|efs|filesystem|file|fileshare|snapshot|backup|vault|kms|key|secret|ssm|queue|sqs|topic|kafka|msk|kinesis|stream|registry|repository|zone|domain|user_pool|eip|static_ip|persistent_volume|persistent_volume_claim|namespace)(s|_|$)`)

// parts are types whose names have such a word, and which keep nothing themselves.
var parts = regexp.MustCompile(`(_policy|_policy_document|_attachment|_association|_binding|_member|_iam_[a-z_]+|_rule|_notification|_subscription|_grant|_alias|_access_block|_permission|_parameter_group|_option_group|_subnet_group|_metric|_alarm|_configuration|_acl|_lifecycle)$|^null_resource$|^(local|random|time|tls|archive|template)_`)

// Read says what is wrong with a plan; expected are addresses of resources that are meant
// to be destroyed or replaced.
func Read(file string, data []byte, expected []string) declare.Problems {
	var out declare.Problems
	tell := func(warning bool, field, got, want, hint string) {
		out = append(out, declare.Problem{Position: declare.Position{File: file}, Warning: warning, Field: yamldoc.Cut(field), Got: yamldoc.Cut(got), Want: want, Hint: yamldoc.Cut(hint)})
	}
	if len(data) > MaxBytes {
		tell(false, "", "", fmt.Sprintf("a plan of at most %d bytes", MaxBytes), fmt.Sprintf("it has %d", len(data)))
		return out
	}
	var p plan
	if err := json.Unmarshal(data, &p); err != nil {
		tell(false, "", "", "what `terraform show -json` prints of a plan", err.Error())
		return out
	}
	if major, _, _ := strings.Cut(p.FormatVersion, "."); major != "0" && major != "1" { // 1.0 is 0.2 with a promise
		tell(false, "format_version", p.FormatVersion, "version 1", "")
		return out
	}
	if p.PlannedValues == nil && len(p.ResourceChanges) == 0 {
		tell(false, "", "", "a plan, not a state", "terraform plan -out=plan, then terraform show -json plan")
		return out
	}
	if p.Errored {
		tell(false, "errored", "true", "a plan that was made whole", "nothing that it leaves out could be checked")
	}
	if p.Complete != nil && !*p.Complete {
		tell(true, "complete", "false", "a complete plan", "another one has to follow it: some of it was deferred or left out")
	}
	for _, c := range p.Checks {
		if c.Status == "fail" || c.Status == "error" {
			tell(false, c.Address.Display, c.Status, "a check that holds", "")
		}
	}
	used := map[string]bool{}
	for _, c := range p.ResourceChanges {
		if c.Mode == "data" || !slices.Contains(c.Change.Actions, "delete") {
			continue
		}
		if slices.Contains(expected, c.Address) {
			used[c.Address] = true
			continue
		}
		what, why := "destroyed", reason(c.ActionReason)
		if slices.Contains(c.Change.Actions, "create") {
			what = "replaced"
			if len(c.Change.ReplacePaths) > 0 {
				why = "because of " + paths(c.Change.ReplacePaths)
			}
		}
		switch {
		case c.Deposed != "":
			tell(true, c.Address, what, "nothing to be destroyed unseen", "what an interrupted replacement left over")
		case keeps.MatchString(c.Type) && !parts.MatchString(c.Type):
			tell(false, c.Address, what, "nothing that keeps data or a name to be "+what, join(why, "if it is meant: --destroys "+c.Address))
		default:
			tell(true, c.Address, what, "nothing to be "+what+" unseen", why)
		}
	}
	for _, address := range expected {
		if !used[address] {
			tell(true, address, "", "something that this plan destroys or replaces", "it does not: leave --destroys out")
		}
	}
	for _, d := range p.ResourceDrift {
		if !slices.Equal(d.Change.Actions, []string{"no-op"}) {
			tell(true, d.Address, strings.Join(d.Change.Actions, " and "), "what was applied last", "it was changed by something else since")
		}
	}
	return out
}

// reason says in words why something goes.
func reason(r string) string {
	switch r {
	case "delete_because_no_resource_config":
		return "it is not in the configuration any more"
	case "delete_because_no_module":
		return "its module is not there any more"
	case "delete_because_wrong_repetition", "delete_because_count_index", "delete_because_each_key":
		return "count or for_each does not have it any more"
	case "replace_because_tainted":
		return "it is marked as broken"
	case "replace_by_request":
		return "somebody asked for it with -replace"
	case "replace_by_triggers":
		return "because of replace_triggered_by"
	}
	return strings.ReplaceAll(r, "_", " ")
}

// paths are attributes, as engine or rule[0].port.
func paths(all [][]any) string {
	var out []string
	for _, path := range all {
		var b strings.Builder
		for _, p := range path {
			switch v := p.(type) {
			case string:
				if b.Len() > 0 {
					b.WriteByte('.')
				}
				b.WriteString(v)
			default:
				fmt.Fprintf(&b, "[%v]", v)
			}
		}
		if out = append(out, b.String()); len(out) == 5 {
			break
		}
	}
	return strings.Join(out, ", ")
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}
