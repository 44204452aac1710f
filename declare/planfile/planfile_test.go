package planfile

import (
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/declare"
)

func plan1(changes string) string {
	return `{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{},"resource_changes":[` + changes + `]}`
}

func change(address, kind, actions string, more ...string) string {
	return `{"address":"` + address + `","mode":"managed","type":"` + kind + `","change":{"actions":[` + actions + `],"before":{"password":"hunter2"}` + strings.Join(more, "") + `}}`
}

func TestPlans(t *testing.T) {
	f := func(text string, expected []string, want ...string) {
		t.Helper()
		got := Read("plan.json", []byte(text), expected)
		var lines []string
		for _, p := range got {
			kind := "e "
			if p.Warning {
				kind = "w "
			}
			lines = append(lines, kind+p.Error())
		}
		if len(lines) != len(want) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) || lines[i][0] != want[i][0] && strings.HasPrefix(want[i], "e ") {
				t.Errorf("got %s, want %s", lines[i], want[i])
			}
			if strings.Contains(lines[i], "hunter2") {
				t.Errorf("a value is repeated: %s", lines[i])
			}
		}
	}
	f(plan1(change("aws_instance.web", "aws_instance", `"create"`)+","+change("aws_db_instance.main", "aws_db_instance", `"update"`)), nil)
	f(plan1(change("aws_db_instance.main", "aws_db_instance", `"delete"`)), nil, `e plan.json: aws_db_instance.main: got "destroyed", expected nothing that keeps data or a name to be destroyed (if it is meant: --destroys aws_db_instance.main)`)
	f(plan1(change("aws_db_instance.main", "aws_db_instance", `"delete","create"`, `,"replace_paths":[["engine"],["tags",0,"x"]]`)), nil, `because of engine, tags[0].x; if it is meant`)
	f(plan1(change("aws_db_instance.main", "aws_db_instance", `"create","delete"`)), []string{"aws_db_instance.main"})
	f(plan1(""), []string{"aws_db_instance.main"}, `expected something that this plan destroys or replaces`)
	f(plan1(change("aws_instance.web", "aws_instance", `"delete"`)), nil, `w plan.json: aws_instance.web: got "destroyed", expected nothing to be destroyed unseen`)
	for kind, keeps := range map[string]bool{
		"google_sql_database_instance": true, "aws_s3_bucket": true, "aws_s3_bucket_policy": false, "azurerm_managed_disk": true, "kubernetes_namespace": true, "kubernetes_persistent_volume_claim": true,
		"aws_volume_attachment": false, "aws_kms_key": true, "aws_route53_zone": true, "aws_route53_record": false, "local_file": false, "aws_iam_role_policy_attachment": false, "google_storage_bucket_iam_member": false, "aws_db_subnet_group": false,
		"openstack_blockstorage_volume_v3": true, "aws_dynamodb_table": true, "aws_security_group_rule": false, "hcloud_volume": true, "digitalocean_database_cluster": true,
	} {
		if got := len(declare.Problems(Read("p", []byte(plan1(change("x.y", kind, `"delete"`))), nil)).Errors()) > 0; got != keeps {
			t.Errorf("%s keeps data: got %v", kind, got)
		}
	}
	f(`{"format_version":"1.2","terraform_version":"1","planned_values":{},"errored":true,"complete":false}`, nil, "e plan.json: errored", "complete plan")
	f(`{"format_version":"2.0","terraform_version":"3"}`, nil, `e plan.json: format_version: got "2.0", expected version 1`)
	f(`{"format_version":"1.0","terraform_version":"1","values":{}}`, nil, `e plan.json: expected a plan, not a state`)
	f(`{"format_version":1}`, nil, "e plan.json: expected what `terraform show -json` prints")
	f(`{"format_version"`, nil, "e plan.json: expected what `terraform show -json` prints")
	f(strings.Replace(plan1(""), `"planned`, `"resource_drift":[{"address":"a.b","change":{"actions":["update"]}}],"checks":[{"address":{"to_display":"check.ok"},"status":"fail"}],"planned`, 1), nil,
		`e plan.json: check.ok: got "fail"`, `a.b: got "update", expected what was applied last`)
	f(strings.Repeat(" ", MaxBytes+1), nil, "e plan.json: expected a plan of at most")
	if !Is([]byte(plan1(""))) || Is([]byte(`{"kind":"List"}`)) || Is(nil) {
		t.Error("Is is wrong")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(plan1(change("a.b", "aws_db_instance", `"delete","create"`, `,"replace_paths":[["x",1]]`))))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range Read("p", data, []string{"a.b"}) {
			if p.File != "p" || p.Want == "" || strings.Contains(p.Error(), "\n") {
				t.Errorf("got %+v", p)
			}
		}
	})
}
