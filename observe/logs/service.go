package logs

import "strings"

// ServiceField is the field by which every receiver says whose row it is.
const ServiceField = "service.name"

// serviceNames are where senders put it, best first.
var serviceNames = []string{ServiceField, "service_name", "service", "app.kubernetes.io/name", "k8s.deployment.name", "app", "application", "job", "container", "k8s.container.name", "SYSLOG_IDENTIFIER"}

// Service is the service that a row is of, or nothing.
func (r Row) Service() string { return ServiceOf(r.Fields) }

// ServiceOf finds the service in fields.
func ServiceOf(fields []Field) string {
	if len(fields) > 0 && fields[0].Name == ServiceField { // where our receivers put it
		return fields[0].Value
	}
	for _, name := range serviceNames {
		for i := range fields {
			if fields[i].Name == name {
				return fields[i].Value
			}
		}
	}
	return ""
}

// Severity is how bad a row is, in OpenTelemetry's six words, or nothing.
func (r Row) Severity() string {
	for _, name := range []string{"severity", "level", "severity_text", "detected_level", "PRIORITY"} {
		if v := r.Field(name); v != "" {
			return severityWord(v)
		}
	}
	return ""
}

func severityWord(v string) string {
	switch strings.ToLower(v) {
	case "trace", "trace2", "trace3", "trace4":
		return "trace"
	case "debug", "dbg", "7", "fine", "finer":
		return "debug"
	case "info", "information", "informational", "notice", "5", "6":
		return "info"
	case "warn", "warning", "4":
		return "warn"
	case "error", "err", "severe", "3":
		return "error"
	case "fatal", "critical", "crit", "alert", "emerg", "emergency", "panic", "0", "1", "2":
		return "fatal"
	}
	return ""
}

// StreamFields are the resource attributes that make a stream: they say which workload
// on which host wrote a row, and are bounded by how many of those there are. What
// changes with each start or request (process.pid, a session) is a field, not a stream.
var StreamFields = []string{
	ServiceField, "service.namespace", "deployment.environment.name", "deployment.environment",
	"k8s.cluster.name", "k8s.namespace.name", "k8s.deployment.name", "k8s.statefulset.name", "k8s.daemonset.name", "k8s.cronjob.name",
	"k8s.pod.name", "k8s.container.name", "host.name", "cloud.region",
}

// IsStreamField says whether a resource attribute is one of StreamFields.
func IsStreamField(name string) bool {
	for _, s := range StreamFields {
		if s == name {
			return true
		}
	}
	return false
}
