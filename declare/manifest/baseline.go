package manifest

import (
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// What the Pod Security Standards call baseline: pods that cannot reach their node. See
// kubernetes.io/docs/concepts/security/pod-security-standards.
var (
	baseCapabilities = []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
	baseSELinux = []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
	baseSysctls = []string{
		"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range",
		"net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl", "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_notsent_lowat",
		"net.ipv4.tcp_rmem", "net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem",
	}
)

const appArmor = "container.apparmor.security.beta.kubernetes.io/"

// baseline finds ways from a pod to its node.
func (o *object) baseline(template yamldoc.Node, p podSpec) {
	for _, key := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if n := p.spec.Field(key); n.Text() == "true" {
			o.fail("host", n, "true", "pods apart from their node", "")
		}
	}
	for _, v := range p.spec.Field("volumes").List() {
		if h := v.Field("hostPath"); !h.Missing() {
			o.fail("host", h, h.Field("path").Text(), "a volume that is not a folder of the node", "")
		}
	}
	for _, a := range template.At("metadata", "annotations").Pairs() {
		if v := a.Value.Text(); strings.HasPrefix(a.Key.Text(), appArmor) && v != "runtime/default" && !strings.HasPrefix(v, "localhost/") {
			o.fail("privileged", a.Value, v, "runtime/default or localhost/…", "")
		}
	}
	pod := p.spec.Field("securityContext")
	o.confined(pod)
	for _, s := range pod.Field("sysctls").List() {
		if n := s.Field("name"); !slices.Contains(baseSysctls, n.Text()) {
			o.fail("privileged", n, n.Text(), "a setting of the kernel that is the pod's own", "")
		}
	}
}

// confined checks what pods and containers say alike.
func (o *object) confined(security yamldoc.Node) {
	if n := security.At("windowsOptions", "hostProcess"); n.Text() == "true" {
		o.fail("host", n, "true", "pods apart from their node", "")
	}
	if n := security.At("appArmorProfile", "type"); n.Text() == "Unconfined" {
		o.fail("privileged", n, n.Text(), "RuntimeDefault or Localhost", "")
	}
	if n := security.At("seccompProfile", "type"); n.Text() == "Unconfined" {
		o.fail("privileged", n, n.Text(), "RuntimeDefault or Localhost", "")
	}
	se := security.Field("seLinuxOptions")
	if n := se.Field("type"); !slices.Contains(baseSELinux, n.Text()) {
		o.fail("privileged", n, n.Text(), "a type of containers", "")
	}
	for _, key := range []string{"user", "role"} {
		if n := se.Field(key); n.Text() != "" {
			o.fail("privileged", n, n.Text(), "none", "")
		}
	}
}

// apart checks one container for ways to its node.
func (o *object) apart(p podSpec, c yamldoc.Node) {
	own := c.Field("securityContext")
	o.confined(own)
	if n := own.Field("privileged"); n.Text() == "true" {
		o.fail("privileged", n, "true", "a container without the rights of its node", "")
	}
	for _, add := range own.At("capabilities", "add").List() {
		switch {
		case !slices.Contains(baseCapabilities, add.Text()):
			o.fail("privileged", add, add.Text(), "no capability that reaches the node", "")
		case add.Text() != "NET_BIND_SERVICE":
			o.warn("privileged", add, add.Text(), "no further capabilities", "")
		}
	}
	if n := own.Field("procMount"); n.Text() == "Unmasked" && p.spec.Field("hostUsers").Text() != "false" {
		o.fail("privileged", n, n.Text(), "Default, or hostUsers: false", "")
	}
	for _, port := range c.Field("ports").List() {
		if n := port.Field("hostPort"); n.Text() != "" && n.Text() != "0" {
			o.fail("host", n, n.Text(), "a port of the pod's own", "a Service leads to it")
		}
	}
	for _, at := range [][]string{{"livenessProbe"}, {"readinessProbe"}, {"startupProbe"}, {"lifecycle", "postStart"}, {"lifecycle", "preStop"}} {
		for _, how := range []string{"httpGet", "tcpSocket"} {
			if n := c.At(at...).At(how, "host"); n.Text() != "" {
				o.fail("host", n, n.Text(), "the pod itself, by leaving it out", "the node's agent would ask another host")
			}
		}
	}
}
