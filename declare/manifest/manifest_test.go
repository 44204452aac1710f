package manifest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// good is a service as it should be.
const good = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
  namespace: shop
  labels: {app.kubernetes.io/name: checkout, app.kubernetes.io/version: "1.4.1"}
spec:
  replicas: 2
  selector: {matchLabels: {app.kubernetes.io/name: checkout}}
  template:
    metadata: {labels: {app.kubernetes.io/name: checkout}}
    spec:
      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
      containers:
        - name: checkout
          image: registry.example:5000/shop/checkout:1.4.1
          ports: [{containerPort: 8080}]
          env: [{name: DB_PASSWORD, valueFrom: {secretKeyRef: {name: db, key: password}}}]
          resources: {requests: {cpu: 50m, memory: 64Mi}, limits: {memory: 64Mi}}
          readinessProbe: {httpGet: {path: /ready, port: 8080}}
          livenessProbe: {httpGet: {path: /live, port: 8080}}
          securityContext: {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: [ALL]}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: checkout, namespace: shop}
spec: {minAvailable: 1, selector: {matchLabels: {app.kubernetes.io/name: checkout}}}
---
apiVersion: v1
kind: Service
metadata: {name: checkout, namespace: shop}
spec: {selector: {app.kubernetes.io/name: checkout}, ports: [{port: 80, targetPort: 8080}]}
`

func TestManifests(t *testing.T) {
	// f changes one thing of what is good, and wants these problems: w for a warning.
	f := func(old, replacement string, want ...string) {
		t.Helper()
		if old != "" && strings.Count(good, old) == 0 {
			t.Fatalf("%q is not in the manifest", old)
		}
		got := Check([]File{{"k.yml", []byte(strings.Replace(good, old, replacement, 1))}})
		var lines []string
		for _, p := range got {
			kind := "e "
			if p.Warning {
				kind = "w "
			}
			lines = append(lines, kind+p.Error())
		}
		if len(lines) != len(want) {
			t.Errorf("%q → %q: got\n%s\nwant\n%s", old, replacement, strings.Join(lines, "\n"), strings.Join(want, "\n"))
			return
		}
		for i := range want {
			for part := range strings.SplitSeq(want[i], " … ") {
				if !strings.Contains(lines[i], part) {
					t.Errorf("%q → %q: got %s, want %q", old, replacement, lines[i], part)
				}
			}
		}
	}
	f("", "")
	// What the API refuses.
	f("apiVersion: apps/v1\n", "", "e k.yml:1:1: apiVersion: expected an apiVersion")
	f("kind: Deployment\n", "", "e k.yml:1:1: kind: expected a kind")
	f("apiVersion: apps/v1\n", "apiVersion: extensions/v1beta1\n", `e k.yml:1:13 … got "extensions/v1beta1", expected apps/v1`)
	f("  name: checkout\n", "", "e … metadata.name … a name")
	f("  name: checkout\n", "  name: Checkout_1\n", "e … lower-case")
	f("replicas: 2", "replicas: two", `e … spec.replicas: got "two", expected a whole number`)
	f("replicas: 2", "replicas: 99999999999", "e … 32 bits")
	f("readinessProbe", "readinesProbe", `e k.yml:20:11 … a field of Container (did you mean "readinessProbe"?)`, "e … a readiness probe")
	f("memory: 64Mi}, limits", "memory: 64MB}, limits", `e … got "64MB", expected a quantity`)
	f(`app.kubernetes.io/version: "1.4.1"`, "app.kubernetes.io/version: 1.4", `e … got "1.4", expected a text (in quotes`)
	f("name: checkout\n          image", "name: yes\n          image", `e … got "yes", expected a text`)
	f("    metadata: {labels: {app.kubernetes.io/name: checkout}}", "    metadata: {labels: {app.kubernetes.io/name: other}}", "e … spec.selector … its own pods", "w … guards nothing", "w … leads to nothing", "w … PodDisruptionBudget")
	f("{matchLabels: {app.kubernetes.io/name: checkout}}\n  template:\n    metadata: {labels: {app.kubernetes.io/name: checkout}}", "{matchLabels: {app.kubernetes.io/name: checkout, app.kubernetes.io/version: v1}}\n  template:\n    metadata: {labels: {app.kubernetes.io/name: checkout, app.kubernetes.io/version: v1}}", "e … no version in a selector")
	f("kind: Service\nmetadata: {name: checkout", "kind: Service\nmetadata: {name: checkout, lables: {}", "e … a field of ObjectMeta … labels")
	f("kind: Service\n", "kind: Gizmo\n") // not known: only what all objects have is checked
	f("containers:\n        - name", "containerz:\n        - name", "e … a field of PodSpec", "e … at least one container")
	// What endangers it or its neighbours.
	f("checkout:1.4.1\n", "checkout\n", "e … without a tag")
	f("checkout:1.4.1\n", "checkout:latest\n", "e … latest is another one")
	f("checkout:1.4.1\n", "checkout@sha256:0123\n")
	f("          image: registry.example:5000/shop/checkout:1.4.1\n", "", "e … an image with its version")
	f("requests: {cpu: 50m, memory: 64Mi}, ", "", "e … requests.cpu", "e … requests.memory")
	f(", limits: {memory: 64Mi}", "", "e … limits.memory")
	f("          readinessProbe: {httpGet: {path: /ready, port: 8080}}\n", "", "e … a readiness probe")
	f("          livenessProbe: {httpGet: {path: /live, port: 8080}}\n", "", "w … a liveness or startup probe")
	f("runAsNonRoot: true, ", "", "e … runAsNonRoot: true")
	f("allowPrivilegeEscalation: false, ", "", "e … allowPrivilegeEscalation: false")
	f("allowPrivilegeEscalation: false, ", "allowPrivilegeEscalation: false, privileged: true, ", "e … privileged … the rights of its node")
	f("allowPrivilegeEscalation: false, ", "allowPrivilegeEscalation: false, runAsUser: 0, ", "e … other than root")
	f("drop: [ALL]", "drop: [ALL], add: [SYS_ADMIN]", "e … SYS_ADMIN")
	f("drop: [ALL]", "drop: [ALL], add: [CHOWN]", "w … CHOWN")
	f("drop: [ALL]", "drop: [KILL]", "w … drop: [ALL]")
	f("readOnlyRootFilesystem: true, ", "", "w … readOnlyRootFilesystem")
	f("seccompProfile: {type: RuntimeDefault}", "seccompProfile: {type: Unconfined}", "e … seccompProfile.type")
	f("      securityContext: {runAsNonRoot", "      hostNetwork: true\n      securityContext: {runAsNonRoot", "e … hostNetwork")
	f("      securityContext: {runAsNonRoot", "      volumes: [{name: docker, hostPath: {path: /run/docker.sock}}]\n      securityContext: {runAsNonRoot", "e … /run/docker.sock")
	f("containerPort: 8080", "containerPort: 8080, hostPort: 80", "e … hostPort")
	f("valueFrom: {secretKeyRef: {name: db, key: password}}", "value: hunter2", "e … a secret by reference")
	// What a house wants to know.
	f("  namespace: shop\n", "", "w … metadata.namespace", "w … guards nothing", "w … leads to nothing", "w … PodDisruptionBudget")
	f(`, app.kubernetes.io/version: "1.4.1"`, "", "w … the label app.kubernetes.io/version")
	f("replicas: 2", "replicas: 1", "w … two or more", "e … less than the 1 replicas")
	f("minAvailable: 1", "minAvailable: 2", "e … less than the 2 replicas")
	f("minAvailable: 1", "maxUnavailable: 0", "e … at least one that may be unavailable")
	f("kind: PodDisruptionBudget\nmetadata: {name: checkout, namespace: shop}", "kind: PodDisruptionBudget\nmetadata: {name: checkout, namespace: elsewhere}", "w … guards nothing", "w … PodDisruptionBudget beside it")
	f("---\napiVersion: policy/v1", "---\napiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: shop}\nstringData: {password: hunter2}\n---\napiVersion: policy/v1", "e … stringData.password … no secret in a file")
	f("---\napiVersion: v1\nkind: Service", "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: checkout, namespace: shop}\n---\napiVersion: v1\nkind: Service",
		"e … each object once", "e … spec.template")
	// What is accepted, and how.
	accept := func(what string) string {
		return "  namespace: shop\n  annotations: {evenkeel.dev/accept: '" + what + "'}\n"
	}
	f("  namespace: shop\n", accept("latest: none"), "w … nothing of this object needs it")
	f("  namespace: shop\n", accept("nonsense: x"), "e … one of disruption")
	f("  namespace: shop\n", accept("root"), "e … a reason")
	ok := strings.NewReplacer("  namespace: shop\n", accept("root: it binds a low port; latest: a lab"), "runAsNonRoot: true, ", "", ":1.4.1\n", ":latest\n").Replace(good)
	if got := Check([]File{{"k.yml", []byte(ok)}}); len(got) != 0 {
		t.Errorf("what is accepted is told all the same: %v", got)
	}
	for _, p := range Check([]File{{"k.yml", []byte(strings.Replace(good, "valueFrom: {secretKeyRef: {name: db, key: password}}", "value: hunter2", 1) + "---\nkind: Secret\napiVersion: v1\nmetadata: {name: x, namespace: y}\nstringData: {a: hunter2}\n")}}) {
		if strings.Contains(p.Error(), "hunter2") {
			t.Errorf("a secret is repeated: %v", p)
		}
	}
}

func TestWhatIsAManifest(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := Is("f.yml", []byte(text)); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
	f(good, true)
	f("apiVersion: v1\nkind: List\nitems: []\n", true)
	f(`{"apiVersion": "v1", "kind": "Pod"}`, true)
	f("kind: Deployment\nmetadata: {name: x}\n", true)
	f("apiVersion: backstage.io/v1alpha1\nkind: Component\n", false)
	f("apiVersion: openslo/v1\nkind: SLO\n", false)
	f("apiVersion: v2\nname: a-chart\n", false)
	f("services: {web: {image: x}}\n", false)
	f("a: {{ .Values.x }}\n", false)
	f("", false)
}

// TestHostileManifests must take moments.
func TestHostileManifests(t *testing.T) {
	var many strings.Builder
	many.WriteString("apiVersion: v1\nkind: List\nitems:\n")
	for i := range 3_000 {
		fmt.Fprintf(&many, "- {apiVersion: v1, kind: Service, metadata: {name: s%d, namespace: x}, spec: {selector: {a: b%d}}}\n", i, i)
		fmt.Fprintf(&many, "- {apiVersion: v1, kind: Pod, metadata: {name: p%d, namespace: x, labels: {a: c}}, spec: {containers: []}}\n", i)
	}
	start := time.Now()
	for _, text := range []string{many.String(), "kind: [", "kind: {a: b}\napiVersion: [c]\nmetadata: 7\n", "- 1\n- 2\n", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\nspec: []\n", "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec: {containers: [7, [], {}], volumes: {}}\n"} {
		if got := Check([]File{{"f.yml", []byte(text)}}); len(got) == 0 {
			t.Errorf("%.50q: nothing is wrong", text)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems: [{apiVersion: batch/v1, kind: CronJob, metadata: {name: x, annotations: {evenkeel.dev/accept: 'root: y'}}, spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: a, image: 'x@y'}]}}}}}}]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range Check([]File{{"f.yml", data}}) {
			if p.File != "f.yml" || p.Want == "" {
				t.Errorf("a problem without a place: %+v", p)
			}
		}
	})
}
