package doctor

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// only are the verdicts that are not fine.
func only(all []Verdict) string {
	var out []string
	for _, v := range all {
		if v.Level != OK {
			out = append(out, string(v.Level)+" "+v.Found)
		}
	}
	return strings.Join(out, "; ")
}

func TestResource(t *testing.T) {
	f := func(text, service, want string) {
		t.Helper()
		attrs, bad := ParseResource(text, service)
		if got := only(append(bad, Resource(attrs)...)); got != want {
			t.Errorf("%s: got  %s\nwant %s", text, got, want)
		}
	}
	good := "service.version=1.2.0,deployment.environment.name=prod,host.name=h,acme.shard=3"
	f(good, "checkout", "")
	f(good, "", "fail service.name is missing")
	f(good, "unknown_service:java", `fail service.name is "unknown_service:java", which an SDK says when nobody told it`)
	f("host.name=h,service.version=1,deployment.environment=prod", "a", "warn deployment.environment.name is missing: production cannot be told from a test; warn deployment.environment is not what the conventions call it")
	f(good+",oops", "a", `fail OTEL_RESOURCE_ATTRIBUTES has "oops", which is no key=value`)
	f(good+",Shard=1,shard=2", "a", `warn "Shard" is not named as attributes are; warn shard has no namespace`)
	f("service.version=1%2C2,deployment.environment.name=p", "a", "warn nothing says which instance it is")
}

func TestClock(t *testing.T) {
	now := time.Now()
	if v := Clock(now, now.Add(time.Second), time.Second); v.Level != OK {
		t.Errorf("%+v", v)
	}
	if v := Clock(now, now.Add(10*time.Second), time.Second); v.Level != Warn {
		t.Errorf("%+v", v)
	}
	if v := Clock(now, now.AddDate(1, 0, 0), time.Second); v.Level != Fail || !strings.Contains(v.Found, "behind") {
		t.Errorf("%+v", v)
	}
}

type logService struct {
	plogotlp.UnimplementedGRPCServer
}

func (*logService) Export(context.Context, plogotlp.ExportRequest) (plogotlp.ExportResponse, error) {
	return plogotlp.NewExportResponse(), nil
}

type metricService struct {
	pmetricotlp.UnimplementedGRPCServer
}

func (*metricService) Export(context.Context, pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	return pmetricotlp.NewExportResponse(), nil
}

type traceService struct {
	ptraceotlp.UnimplementedGRPCServer
	err error
}

func (s *traceService) Export(context.Context, ptraceotlp.ExportRequest) (ptraceotlp.ExportResponse, error) {
	return ptraceotlp.NewExportResponse(), s.err
}

// serve serves gRPC until the test ends, and says where.
func serve(t *testing.T, register func(*grpc.Server)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer()
	register(srv)
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(srv.Stop)
	return "http://" + l.Addr().String()
}

// Every signal is tried over gRPC: a receiver of logs alone is not taken for one of all.
func TestProbeOfEachSignal(t *testing.T) {
	traces := &traceService{}
	f := func(endpoint string, want ...string) {
		t.Helper()
		var got []string
		for _, v := range Probe(t.Context(), Sender{Endpoint: endpoint, Protocol: "grpc"}, time.Now) {
			if v.Check == "protocol" {
				got = append(got, string(v.Level)+" "+v.Found)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, expected %q", got, want)
		}
	}
	all := serve(t, func(srv *grpc.Server) {
		plogotlp.RegisterGRPCServer(srv, &logService{})
		pmetricotlp.RegisterGRPCServer(srv, &metricService{})
		ptraceotlp.RegisterGRPCServer(srv, traces)
	})
	f(all, "ok logs are taken by gRPC", "ok metrics are taken by gRPC", "ok traces are taken by gRPC")
	traces.err = status.Error(codes.Unauthenticated, "no")
	f(all, "ok logs are taken by gRPC", "ok metrics are taken by gRPC", "fail traces: the server asks for a token")
	f(serve(t, func(srv *grpc.Server) { plogotlp.RegisterGRPCServer(srv, &logService{}) }),
		"ok logs are taken by gRPC", "fail a gRPC server is there, but takes no metrics", "fail a gRPC server is there, but takes no traces")
}

func TestProbe(t *testing.T) {
	var status int
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if status != 0 {
			w.WriteHeader(status)
		}
	}))
	defer web.Close()
	logsOnly := serve(t, func(srv *grpc.Server) { plogotlp.RegisterGRPCServer(srv, &logService{}) })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := "http://" + closed.Addr().String()
	_ = closed.Close()
	f := func(endpoint, protocol, want string) {
		t.Helper()
		got := only(Probe(t.Context(), Sender{Endpoint: endpoint, Protocol: protocol}, time.Now))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s %s: got %q, expected %q", endpoint, protocol, got, want)
		}
	}
	f(web.URL, "http/protobuf", "")
	f(web.URL+"/v1/logs", "http/json", "which SDKs add themselves")
	f(logsOnly, "grpc", "takes no metrics")
	f(logsOnly, "http/protobuf", "most likely gRPC's")
	f(web.URL, "grpc", "no answer to a gRPC call")
	f(strings.Replace(web.URL, "http:", "https:", 1), "http/protobuf", "plain HTTP")
	f(nowhere, "http/protobuf", "nothing answers")
	f("127.0.0.1:4317", "grpc", "is no URL")
	f(web.URL, "udp", "OTEL_EXPORTER_OTLP_PROTOCOL is")
	status = 401
	f(web.URL, "http/protobuf", "asks for a token")
}
