package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/evenkeel/evenkeel/act/gate"
	"github.com/evenkeel/evenkeel/api"
)

const artefacts = `
-- k8s/app/deployment.yml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app.kubernetes.io/name: web, app.kubernetes.io/version: "1"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: web
          image: shop/web
          resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
          readinessProbe: {tcpSocket: {port: 80}}
          livenessProbe: {tcpSocket: {port: 80}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
-- k8s/pdb.yaml --
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web, namespace: shop}
spec: {maxUnavailable: 1, selector: {matchLabels: {app: web}}}
-- k8s/broken.yml --
a: [1
-- k8s/chart/templates/x.yaml --
apiVersion: v1
kind: {{ .Values.kind }}
-- k8s/chart/values.yaml --
kind: Pod
-- k8s/README.md --
text
-- plan.json --
{"format_version":"1.2","terraform_version":"1.9.0","planned_values":{},"resource_changes":[
 {"address":"aws_db_instance.main","mode":"managed","type":"aws_db_instance","change":{"actions":["delete","create"],"replace_paths":[["engine"]]}}]}
`

func TestCheckOfArtefacts(t *testing.T) {
	t.Chdir(unpack(t, artefacts))
	stdout, stderr := runCheck(t, ExitFound, "k8s", "plan.json")
	want := `k8s/app/deployment.yml:13:18: error: spec.template.spec.containers[0].image: got "shop/web", expected an image with its version (without a tag it is latest: another one after each pull)
k8s/broken.yml:2: error: expected valid YAML (did not find expected ',' or ']')
k8s/chart/templates/x.yaml: warning: expected manifests, not a template of some (it is not checked: check what helm template prints)
plan.json: error: aws_db_instance.main: got "replaced", expected nothing that keeps data or a name to be replaced (because of engine; if it is meant: --destroys aws_db_instance.main)
`
	if stdout != want || stderr != "3 errors, 1 warning in 4 files\n" {
		t.Errorf("got\n%s\nwant\n%s%s", stdout, want, stderr)
	}
	for _, how := range []string{"json", "sarif", "junit", "github", "yaml"} {
		if out, _ := runCheck(t, ExitFound, "k8s/app/deployment.yml", "-o", how); !strings.Contains(out, "k8s/app/deployment.yml") || !strings.Contains(out, "an image with its version") {
			t.Errorf("%s: got %s", how, out)
		}
	}
	if out, talk := runCheck(t, ExitFine, "plan.json", "k8s/pdb.yaml", "--destroys", "aws_db_instance.main"); out != "" {
		t.Errorf("got %s%s", out, talk)
	}
	if err := os.Remove("k8s/broken.yml"); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile("k8s/app/deployment.yml")
	if err == nil {
		err = os.WriteFile("k8s/app/deployment.yml", bytes.Replace(file, []byte("image: shop/web"), []byte("image: shop/web:1"), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, talk := runCheck(t, ExitFine, "k8s"); strings.Contains(out, "error") || !strings.Contains(talk, "0 errors, 1 warning") {
		t.Errorf("got %s%s", out, talk)
	}
}

// TestGateHoldsBackWhatCheckFinds: what check says of manifests and plans reaches the gate.
func TestGateHoldsBackWhatCheckFinds(t *testing.T) {
	t.Chdir(unpack(t, artefacts))
	var asked api.GateQuestion
	t.Setenv("EVENKEEL_URL", gateServer(t, gate.Decision{Answer: gate.No, Reasons: []gate.Reason{{Check: "artefacts", State: gate.Fail, Why: "see above"}}}, &asked).URL)
	ask := func(args ...string) int {
		asked = api.GateQuestion{}
		var out bytes.Buffer
		Run(t.Context(), append([]string{"gate", "--service", "web", "--change", "2"}, args...), strings.NewReader(""), &out, &out)
		errors := 0
		for _, p := range asked.Problems {
			if !p.Warning {
				errors++
			}
		}
		return errors
	}
	if n := ask("--artefact", "k8s", "--artefact", "plan.json"); n != 3 {
		t.Errorf("got %d errors: %+v", n, asked)
	}
	if n := ask("--artefact", "plan.json", "--destroys", "aws_db_instance.main"); n != 0 {
		t.Errorf("got %d errors: %+v", n, asked)
	}
}

// TestCheckOfManifestsInAWorkspace: what blueprints put there is checked with it.
func TestCheckOfManifestsInAWorkspace(t *testing.T) {
	dir := unpack(t, brokenShop)
	for name, text := range map[string]string{
		"catalog/shop.yml": "apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {name: shop}\nspec: {type: team}\n", "rules/shop.yml": "groups: []\n", "kubernetes/x.yml": "apiVersion: v1\nkind: Pod\nmetadata: {name: x, namespace: y}\nspec: {}\n",
	} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := runCheck(t, ExitFound, dir, "-o", "json")
	var items []item
	if err := json.Unmarshal([]byte(out), &items); err != nil {
		t.Fatal(err)
	}
	for _, i := range items {
		if i.Severity == "error" && i.Field == "spec.containers" && strings.HasSuffix(i.File, "kubernetes/x.yml") {
			return
		}
	}
	t.Errorf("got %s", out)
}

// TestCheckFindsStepsThatNobodyMayRun: by class, and not only by risk.
func TestCheckFindsStepsThatNobodyMayRun(t *testing.T) {
	dir := unpack(t, `
-- catalog/all.yml --
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: shop}
spec: {type: team, children: []}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: alice, labels: {evenkeel.dev/level: senior}}
spec: {memberOf: [shop]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: bob, labels: {evenkeel.dev/level: senior}}
spec: {memberOf: [shop]}
-- runbooks/x.md --
# X

`+"```sh {name=heavy class=A5}\ntrue\n```\n\n```sh {name=pay class=A7}\ntrue\n```\n")
	out, _ := runCheck(t, ExitFound, dir)
	if strings.Count(out, "\n") != 1 || !strings.Contains(out, `x.md:7: error: pay: class: got "A7", expected an action that somebody may do`) {
		t.Errorf("got %s", out)
	}
}
