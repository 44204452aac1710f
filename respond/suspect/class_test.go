package suspect

import "testing"

// TestClassify goes through names as systems have them: cAdvisor, kube-state-metrics,
// Istio, Envoy, OpenTelemetry, CloudWatch, and those of public incidents.
func TestClassify(t *testing.T) {
	f := func(want string, metrics ...string) {
		t.Helper()
		for _, m := range metrics {
			if got := classify(m).name; got != want {
				t.Errorf("%s: got %q, want %q", m, got, want)
			}
		}
	}
	f("cpu", "cpu", "CpuUsageRate(%)", "container_cpu_usage_seconds_total", "container-cpu-cfs-throttled-periods-total", "process_cpu_seconds_total", "k8s.pod.cpu.usage", "CPUUtilization",
		`container_cpu_usage_seconds_total{pod="error-5f6585d649-fnmft",container="api"}`, "container-cpu-load-average-10s")
	f("memory", "mem", "MemoryUsage(Mi)", "container_memory_working_set_bytes", "container-memory-failcnt", "container_memory_failures_total", "process_resident_memory_bytes", "jvm.memory.used", "container-memory-rss")
	f("room left", "cpu_idle", "MemAvailable_bytes", "FreeableMemory", "container_fs_free_bytes", "jvm_memory_free")
	f("disk", "diskio", "container_fs_writes_total", "container-fs-usage-bytes", "system.disk.io", "k8s.pod.filesystem.usage", "DiskReadOps")
	f("saturation", "socket", "container-sockets", "container-threads", "queue_depth", "rabbitmq_queue_messages_ready", "jvm.gc.duration", "go_goroutines", "db.client.connections.usage", "kafka.consumer.lag", "process_open_fds")
	f("packet loss", "container_network_receive_errors_total", "container-network-transmit-packets-dropped-total", "packets_lost", "tcp_retransmits")
	f("network", "container_network_receive_bytes_total", "k8s.pod.network.io.receive", "system.network.io", "NetworkTransmitBytes", "istio_request_bytes_sum", "SyscallRead")
	f("requests", "workload", "load", "lod", "PodWorkload(Ops)", "istio_requests_total", "http.server.request.count", "grpc_server_handled_total", "envoy_cluster_upstream_rq_total", "requests_Sum", "http_requests_received_total",
		`http_requests_total{code="200"}`)
	f("errors", "error", "errors_total", "http_5xx_rate", "upstream_rq_timeout", "failure_rate", "kube_deployment_status_replicas_unavailable", `http_requests_total{code="500"}`, `istio_requests_total{response_code="5xx"}`)
	f("availability", "availability_Average", "success_rate", "PodSuccessRate(%)", "kube_pod_container_status_ready", "up")
	f("latency", "latency", "latency-90", "lat_50", "PodServerLatencyP90(s)", "istio_request_duration_milliseconds_p90", "http.server.request.duration", "response_time_ms", "envoy_cluster_upstream_rq_time",
		"request_time", "grpc_server_handling_seconds", "rpc.server.duration")
	f("client latency", "PodClientLatencyP95(s)", "http.client.request.duration.p90")
	f("restarts", "kube_pod_container_status_restarts_total", "container_oom_events_total", "k8s.container.restarts")
	f("node", "NodeCpuUsageRate(%)", "node_memory_MemAvailable_bytes", "kube_node_status_condition")
	f("fact", "container-last-seen", "container_start_time_seconds", "container-spec-cpu-period", "kube_pod_container_resource_limits", "kube_pod_info", "container-ulimits-soft")
	f("other", "temperature", "widgets")
}
