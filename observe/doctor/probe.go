package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Sender is how a sender is configured.
type Sender struct {
	Endpoint string // as OTEL_EXPORTER_OTLP_ENDPOINT
	Protocol string // grpc, http/protobuf or http/json
	Headers  map[string]string
}

const patience = 5 * time.Second

// Probe tries the endpoint with empty requests.
func Probe(ctx context.Context, s Sender, now func() time.Time) []Verdict {
	ctx, cancel := context.WithTimeout(ctx, 6*patience)
	defer cancel()
	const check = "endpoint"
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return []Verdict{fail(check, fmt.Sprintf("%q is no URL", s.Endpoint), "write the scheme too, as http://127.0.0.1:7070")}
	}
	var out []Verdict
	for _, signal := range []string{"/v1/logs", "/v1/metrics", "/v1/traces"} {
		if strings.HasSuffix(strings.TrimSuffix(u.Path, "/"), signal) {
			out = append(out, fail(check, "the endpoint ends in "+signal+", which SDKs add themselves", "set OTEL_EXPORTER_OTLP_ENDPOINT without it, or OTEL_EXPORTER_OTLP_LOGS_ENDPOINT and its siblings with it"))
			u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), signal)
		}
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", address)
	if err != nil {
		return append(out, fail(check, "nothing answers: "+err.Error(), "is the server up, and does it listen there? From a container 127.0.0.1 is the container itself"))
	}
	_ = conn.Close()
	out = append(out, ok(check, address+" can be reached"))
	switch s.Protocol {
	case "grpc":
		return append(out, probeGRPC(ctx, u, address, s)...)
	case "http/protobuf", "http/json":
		return append(out, probeHTTP(ctx, u, s, now)...)
	}
	return append(out, fail("protocol", fmt.Sprintf("OTEL_EXPORTER_OTLP_PROTOCOL is %q", s.Protocol), "one of grpc, http/protobuf, http/json"))
}

func probeHTTP(ctx context.Context, u *url.URL, s Sender, now func() time.Time) []Verdict {
	const check = "protocol"
	var out []Verdict
	clock := false
	for _, signal := range []string{"logs", "metrics", "traces"} {
		kind, body := "application/x-protobuf", ""
		if s.Protocol == "http/json" {
			kind, body = "application/json", "{}"
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.JoinPath("v1", signal).String(), bytes.NewReader([]byte(body)))
		if err != nil {
			return append(out, fail(check, err.Error(), "check the endpoint"))
		}
		req.Header.Set("Content-Type", kind)
		for k, v := range s.Headers {
			req.Header.Set(k, v)
		}
		client := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		res, err := client.Do(req)
		if err != nil {
			var record tls.RecordHeaderError
			switch {
			// A server of HTTP/2 speaks first: the client may see that before it has asked.
			case strings.Contains(err.Error(), "malformed HTTP response") || strings.Contains(err.Error(), "readLoopPeekFail") || strings.Contains(err.Error(), "HTTP/2") || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "EOF"):
				return append(out, fail(check, "this port does not speak HTTP/1: it is most likely gRPC's", "set OTEL_EXPORTER_OTLP_PROTOCOL=grpc, or point to the HTTP port (7070)"))
			case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS"):
				return append(out, fail(check, "the endpoint says https, the server speaks plain HTTP", "use http:// in the endpoint"))
			}
			return append(out, fail(check, err.Error(), "check the endpoint"))
		}
		text, _ := io.ReadAll(io.LimitReader(res.Body, 300))
		_ = res.Body.Close()
		switch {
		case res.StatusCode == http.StatusOK:
			out = append(out, ok(check, signal+" are taken by "+s.Protocol))
		case res.StatusCode == http.StatusUnauthorized || res.StatusCode == http.StatusForbidden:
			out = append(out, fail(check, signal+": the server asks for a token", "set OTEL_EXPORTER_OTLP_HEADERS=Authorization=Bearer%20ek_…"))
		case res.StatusCode == http.StatusNotFound:
			out = append(out, warn(check, signal+" are not taken there (404)", "is it Evenkeel's address, without a path?"))
		case res.StatusCode/100 == 3:
			out = append(out, fail(check, signal+": the server redirects to "+res.Header.Get("Location"), "exporters do not follow: use that address"))
		default:
			out = append(out, fail(check, fmt.Sprintf("%s: the server answers %s: %s", signal, res.Status, strings.TrimSpace(printable(text))), "see the answer"))
		}
		if t, err := http.ParseTime(res.Header.Get("Date")); err == nil && !clock {
			clock = true
			out = append(out, Clock(now(), t, time.Second))
		}
	}
	return out
}

func printable(b []byte) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == '\uFFFD' {
			return '.'
		}
		return r
	}, string(b))
}

func probeGRPC(ctx context.Context, u *url.URL, address string, s Sender) []Verdict {
	const check = "protocol"
	var out []Verdict
	if u.Path != "" && u.Path != "/" {
		out = append(out, warn(check, "gRPC has no path, the endpoint has "+u.Path, "leave it out"))
	}
	creds := insecure.NewCredentials()
	if u.Scheme == "https" {
		creds = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(creds))
	if err != nil {
		return append(out, fail(check, err.Error(), "check the endpoint"))
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, metadata.New(s.Headers)), patience)
	defer cancel()
	for _, signal := range []struct { // an empty request of each
		name string
		send func() error
	}{
		{"logs", func() error {
			_, err := plogotlp.NewGRPCClient(conn).Export(ctx, plogotlp.NewExportRequest())
			return err
		}},
		{"metrics", func() error {
			_, err := pmetricotlp.NewGRPCClient(conn).Export(ctx, pmetricotlp.NewExportRequest())
			return err
		}},
		{"traces", func() error {
			_, err := ptraceotlp.NewGRPCClient(conn).Export(ctx, ptraceotlp.NewExportRequest())
			return err
		}},
	} {
		err := signal.send()
		switch status.Code(err) {
		case codes.OK:
			out = append(out, ok(check, signal.name+" are taken by gRPC"))
		case codes.Unimplemented:
			out = append(out, fail(check, "a gRPC server is there, but takes no "+signal.name, "is it Evenkeel's port (4317)?"))
		case codes.Unauthenticated, codes.PermissionDenied:
			out = append(out, fail(check, signal.name+": the server asks for a token", "set OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20ek_…"))
		default: // and so it would be for the others
			fix := "is it the gRPC port (4317)? An HTTP port (7070, 4318) wants OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
			return append(out, fail(check, "no answer to a gRPC call: "+status.Convert(err).Message(), fix))
		}
	}
	return out
}
