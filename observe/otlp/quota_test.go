package otlp_test

import (
	"context"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/evenkeel/evenkeel/observe/logs"
	"github.com/evenkeel/evenkeel/observe/otlp"
)

// A sender over its share is told when to send again. OpenTelemetry's senders drop what
// RESOURCE_EXHAUSTED without a RetryInfo has refused, and otherwise wait as long as it says.
func TestOverItsShareIsToldWhenToSendAgain(t *testing.T) {
	s, err := logs.Open(logs.Options{Dir: t.TempDir(), Limits: logs.Limits{PerSource: 100}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := otlp.NewLogs(s, func() int64 { return 1 << 20 })
	srv, err := otlp.Listen(start(t).receiver, "127.0.0.1:0", r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	conn, err := grpc.NewClient(srv.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	large := records(time.Now())
	large.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0).Body().SetStr(strings.Repeat("x", 1500))
	req := plogotlp.NewExportRequestFromLogs(large)
	client := plogotlp.NewGRPCClient(conn)
	if _, err := client.Export(ctx, req); err != nil {
		t.Fatal("the first, of a whole share: ", err)
	}
	_, err = client.Export(ctx, req)
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
		t.Fatalf("got %v with %d details, expected RESOURCE_EXHAUSTED with a RetryInfo", err, len(st.Details()))
	}
	// More than the whole share was taken, so that it takes more than ten seconds to have it again.
	info, ok := st.Details()[0].(*errdetails.RetryInfo)
	if d := info.GetRetryDelay().AsDuration(); !ok || d < 10*time.Second || d > 30*time.Second {
		t.Errorf("got %v, expected a RetryInfo of more than ten seconds", st.Details()[0])
	}
	body, err := req.MarshalProto()
	if err != nil {
		t.Fatal(err)
	}
	post := httptest.NewRequest("POST", "/v1/logs", strings.NewReader(string(body)))
	post.RemoteAddr = "127.0.0.1:1"
	post.Header.Set("Content-Type", "application/x-protobuf")
	w := httptest.NewRecorder()
	r.ServeHTTP(w, post)
	if n, err := strconv.Atoi(w.Header().Get("Retry-After")); w.Code != 429 || err != nil || n < 10 || n > 30 {
		t.Errorf("got %d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}
