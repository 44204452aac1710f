package app

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evenkeel/evenkeel/act/change"
	"github.com/evenkeel/evenkeel/declare"
)

// fact is something that runs or is set, and how it is seen: a query whose series name
// whose it is and what it is.
type fact struct {
	attribute string   // in words; ${label} stands for a label of the series
	expr      string   // PromQL
	of        string   // label that names the service, or the host
	host      bool     // of a host: resource/default/NAME
	value     string   // label that holds the value; "" for the sample's
	also      []string // labels that attribute names
}

// byScaler takes out what an autoscaler scales: nobody records that.
const byScaler = ` unless on (namespace, %[1]s) label_replace(kube_horizontalpodautoscaler_info{scaletargetref_kind="%[2]s"}, "%[1]s", "$1", "scaletargetref_name", "(.+)")`

// facts are those that are known without being declared.
var facts = []fact{
	{attribute: "version", expr: `group by (job, version) ({__name__=~"build_info|.+_build_info", version!=""})`, of: "job", value: "version"},
	{attribute: "version", expr: `group by (service_name, service_version) (target_info{service_version!=""})`, of: "service_name", value: "service_version"},
	{attribute: "version", expr: `group by (job, service_version) (target_info{service_version!="", service_name=""})`, of: "job", value: "service_version"},
	{attribute: "image", expr: `group by (container, image) (kube_pod_container_info{image!=""})`, of: "container", value: "image"},
	{attribute: "version", expr: `group by (label_app_kubernetes_io_name, label_app_kubernetes_io_version) (kube_pod_labels{label_app_kubernetes_io_version!=""})`, of: "label_app_kubernetes_io_name", value: "label_app_kubernetes_io_version"},

	{attribute: "replicas in ${namespace}", expr: `max by (namespace, deployment) (kube_deployment_spec_replicas)` + fmt.Sprintf(byScaler, "deployment", "Deployment"), of: "deployment", also: []string{"namespace"}},
	{attribute: "replicas in ${namespace}", expr: `max by (namespace, statefulset) (kube_statefulset_replicas)` + fmt.Sprintf(byScaler, "statefulset", "StatefulSet"), of: "statefulset", also: []string{"namespace"}},
	{attribute: "configuration in ${namespace}", expr: `max by (namespace, configmap) (kube_configmap_metadata_resource_version)`, of: "configmap", also: []string{"namespace"}},
	{attribute: "configuration (${__name__})", expr: `max by (__name__, job) ({__name__=~".+_config_hash"})`, of: "job", also: []string{"__name__"}},

	{attribute: "kernel", expr: `group by (nodename, release) (node_uname_info)`, of: "nodename", host: true, value: "release"},
	{attribute: "operating system", expr: `group by (nodename, pretty_name) (node_os_info * on (job, instance) group_left (nodename) node_uname_info)`, of: "nodename", host: true, value: "pretty_name"},
	{attribute: "kernel", expr: `group by (node, kernel_version) (kube_node_info)`, of: "node", host: true, value: "kernel_version"},
	{attribute: "operating system", expr: `group by (node, os_image) (kube_node_info)`, of: "node", host: true, value: "os_image"},
	{attribute: "kubelet", expr: `group by (node, kubelet_version) (kube_node_info)`, of: "node", host: true, value: "kubelet_version"},
	{attribute: "container runtime", expr: `group by (node, container_runtime_version) (kube_node_info)`, of: "node", host: true, value: "container_runtime_version"},
}

// annotationFacts holds lines of "name = PromQL" on a service: what else of it must not
// change without a change on record. The value is that of the series' labels, or of the
// sample where it has none.
const annotationFacts = "evenkeel.dev/facts"

// maxFacts bounds what one look sees.
const maxFacts = 20_000

// lookForUnrecorded sees every fact and holds it against what is on record.
func (a *App) lookForUnrecorded(ctx context.Context, now time.Time) error {
	var seen []change.Sighting
	for _, f := range facts {
		v, err := a.engine.Query(ctx, f.expr, now)
		if err != nil {
			return fmt.Errorf("cannot see what runs: %w", err)
		}
		for _, s := range v {
			one := change.Sighting{Attribute: f.attribute, Value: s.Metric.Get(f.value)}
			for _, label := range f.also {
				one.Attribute = strings.ReplaceAll(one.Attribute, "${"+label+"}", s.Metric.Get(label))
			}
			if f.value == "" {
				one.Value = strconv.FormatFloat(s.F, 'f', -1, 64)
			}
			name := s.Metric.Get(f.of)
			if f.host && name != "" {
				one.Resource = declare.ResourceID("resource/default/" + name)
			} else {
				one.Service = a.serviceNamed("", name, name[strings.LastIndexByte(name, '/')+1:])
			}
			if one.Resource != "" || one.Service != "" {
				seen = append(seen, one)
			}
		}
	}
	for _, svc := range a.ws().Services {
		for line := range strings.Lines(svc.Annotations[annotationFacts]) {
			name, expr, ok := strings.Cut(line, "=")
			if name, expr = strings.TrimSpace(name), strings.TrimSpace(expr); !ok || name == "" || expr == "" {
				continue
			}
			v, err := a.engine.Query(ctx, expr, now)
			if err != nil {
				a.o.Logger.Warn("cannot see a fact", "service", svc.ID, "fact", name, "err", err)
				continue
			}
			for _, s := range v {
				value := strconv.FormatFloat(s.F, 'f', -1, 64)
				if !s.Metric.IsEmpty() {
					value = s.Metric.String()
				}
				seen = append(seen, change.Sighting{Service: svc.ID, Attribute: name, Value: value})
			}
		}
	}
	installed, keep, err := a.installed.see(ctx, now, a.changes)
	if err != nil {
		a.o.Logger.Warn("cannot see a fact", "fact", "packages", "err", err)
	}
	if err := a.Saw(ctx, now, append(installed, seen[:min(len(seen), maxFacts)]...)); err != nil {
		return err
	}
	return keep()
}
