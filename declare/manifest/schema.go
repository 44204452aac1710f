package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// known are the kinds whose fields are checked, by apiVersion and kind. Others (custom
// resources) are checked for what every object has.
var known = map[string]reflect.Type{
	"v1/ConfigMap":                                    typeOf[corev1.ConfigMap](),
	"v1/LimitRange":                                   typeOf[corev1.LimitRange](),
	"v1/Namespace":                                    typeOf[corev1.Namespace](),
	"v1/PersistentVolume":                             typeOf[corev1.PersistentVolume](),
	"v1/PersistentVolumeClaim":                        typeOf[corev1.PersistentVolumeClaim](),
	"v1/Pod":                                          typeOf[corev1.Pod](),
	"v1/ResourceQuota":                                typeOf[corev1.ResourceQuota](),
	"v1/Secret":                                       typeOf[corev1.Secret](),
	"v1/Service":                                      typeOf[corev1.Service](),
	"v1/ServiceAccount":                               typeOf[corev1.ServiceAccount](),
	"apps/v1/DaemonSet":                               typeOf[appsv1.DaemonSet](),
	"apps/v1/Deployment":                              typeOf[appsv1.Deployment](),
	"apps/v1/ReplicaSet":                              typeOf[appsv1.ReplicaSet](),
	"apps/v1/StatefulSet":                             typeOf[appsv1.StatefulSet](),
	"batch/v1/CronJob":                                typeOf[batchv1.CronJob](),
	"batch/v1/Job":                                    typeOf[batchv1.Job](),
	"autoscaling/v2/HorizontalPodAutoscaler":          typeOf[autoscalingv2.HorizontalPodAutoscaler](),
	"networking.k8s.io/v1/Ingress":                    typeOf[networkingv1.Ingress](),
	"networking.k8s.io/v1/IngressClass":               typeOf[networkingv1.IngressClass](),
	"networking.k8s.io/v1/NetworkPolicy":              typeOf[networkingv1.NetworkPolicy](),
	"policy/v1/PodDisruptionBudget":                   typeOf[policyv1.PodDisruptionBudget](),
	"rbac.authorization.k8s.io/v1/ClusterRole":        typeOf[rbacv1.ClusterRole](),
	"rbac.authorization.k8s.io/v1/Role":               typeOf[rbacv1.Role](),
	"rbac.authorization.k8s.io/v1/RoleBinding":        typeOf[rbacv1.RoleBinding](),
	"rbac.authorization.k8s.io/v1/ClusterRoleBinding": typeOf[rbacv1.ClusterRoleBinding](),
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// gone are versions that no supported cluster serves, and what came after them.
var gone = map[string]string{
	"extensions/v1beta1/Deployment": "apps/v1", "apps/v1beta1/Deployment": "apps/v1", "apps/v1beta2/Deployment": "apps/v1",
	"extensions/v1beta1/DaemonSet": "apps/v1", "apps/v1beta2/DaemonSet": "apps/v1",
	"extensions/v1beta1/ReplicaSet": "apps/v1", "apps/v1beta2/ReplicaSet": "apps/v1",
	"apps/v1beta1/StatefulSet": "apps/v1", "apps/v1beta2/StatefulSet": "apps/v1",
	"extensions/v1beta1/Ingress": "networking.k8s.io/v1", "networking.k8s.io/v1beta1/Ingress": "networking.k8s.io/v1",
	"extensions/v1beta1/NetworkPolicy": "networking.k8s.io/v1",
	"batch/v1beta1/CronJob":            "batch/v1", "batch/v2alpha1/CronJob": "batch/v1",
	"policy/v1beta1/PodDisruptionBudget":                    "policy/v1",
	"policy/v1beta1/PodSecurityPolicy":                      "the labels pod-security.kubernetes.io of the Namespace",
	"autoscaling/v2beta1/HorizontalPodAutoscaler":           "autoscaling/v2",
	"autoscaling/v2beta2/HorizontalPodAutoscaler":           "autoscaling/v2",
	"rbac.authorization.k8s.io/v1beta1/Role":                "rbac.authorization.k8s.io/v1",
	"rbac.authorization.k8s.io/v1beta1/RoleBinding":         "rbac.authorization.k8s.io/v1",
	"apiextensions.k8s.io/v1beta1/CustomResourceDefinition": "apiextensions.k8s.io/v1",
}

// Types whose text has a form of its own.
var (
	quantity = reflect.TypeFor[resource.Quantity]()
	intOrStr = reflect.TypeFor[intstr.IntOrString]()
	duration = reflect.TypeFor[metav1.Duration]()
	instant  = reflect.TypeFor[metav1.Time]()
	micro    = reflect.TypeFor[metav1.MicroTime]()
	fieldsV1 = reflect.TypeFor[metav1.FieldsV1]()
)

// conform holds a value against a type of the API: unknown fields and wrong types are
// what a server refuses, or worse, passes over.
func conform(n yamldoc.Node, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Missing() {
		return
	}
	text := n.Text()
	switch t {
	case quantity:
		if _, err := resource.ParseQuantity(text); n.Scalar() && err != nil || !n.Scalar() {
			n.Problem(text, "a quantity as 500m, 64Mi or 2", "")
		}
		return
	case intOrStr:
		if !n.Scalar() {
			n.Problem(text, "a number or a text", "")
		}
		return
	case duration:
		if _, err := time.ParseDuration(text); err != nil {
			n.Problem(text, "a duration as 30s", "")
		}
		return
	case instant, micro:
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			n.Problem(text, "a time as 2026-01-02T15:04:05Z", "")
		}
		return
	case fieldsV1:
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		if !n.Mapping() {
			return
		}
		fields := fieldsOf(t)
		for _, p := range n.Pairs() {
			key := p.Key.Text()
			f, ok := fields[key]
			if !ok {
				p.Key.Problem(key, "a field of "+t.Name(), yamldoc.Suggest(key, keysOf(fields)))
				continue
			}
			conform(p.Value, f)
		}
	case reflect.Map:
		if !n.Mapping() {
			return
		}
		for _, p := range n.Pairs() {
			conform(p.Value, t.Elem())
		}
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 { // base64
			_ = n.String()
			return
		}
		for _, c := range n.List() {
			conform(c, t.Elem())
		}
	case reflect.String:
		if n.Scalar() && !n.IsText() {
			n.Problem(text, "a text", fmt.Sprintf("in quotes, as %q", text))
			return
		}
		_ = n.String()
	case reflect.Bool:
		n.Bool()
	case reflect.Int32, reflect.Int64, reflect.Int:
		if _, ok := n.Int(); ok && t.Kind() == reflect.Int32 {
			if _, err := strconv.ParseInt(text, 10, 32); err != nil {
				n.Problem(text, "a number of at most 32 bits", "")
			}
		}
	}
}

// fieldsOf are the fields of a type by their name in JSON; those that are inlined count
// as the type's own.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && (f.Anonymous || strings.Contains(options, "inline")):
			in := f.Type
			for in.Kind() == reflect.Pointer {
				in = in.Elem()
			}
			for k, v := range fieldsOf(in) {
				out[k] = v
			}
		default:
			out[name] = f.Type
		}
	}
	return out
}

func keysOf(m map[string]reflect.Type) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
