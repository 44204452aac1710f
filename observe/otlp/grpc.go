package otlp

import (
	"context"
	"fmt"
	"net"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // senders compress by default
	"google.golang.org/grpc/peer"
)

// Server is OTLP/gRPC on a listener of its own.
type Server struct {
	receiver *Receiver
	others   []Service
	listener net.Listener
}

// Service is the receiver of another signal on the same port.
type Service interface{ RegisterGRPC(srv *grpc.Server) }

// Listen opens the port; Run serves it.
func Listen(r *Receiver, address string, others ...Service) (*Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot listen for OTLP/gRPC: %w (otlp.grpc in evenkeel.yml changes the address, or switches it off)", err)
	}
	return &Server{receiver: r, others: others, listener: l}, nil
}

// Addr is where it listens.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Run serves until ctx ends, and then lets requests in progress finish for a moment.
func (s *Server) Run(ctx context.Context) error {
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(int(s.receiver.store.Limits().BodyBytes)))
	pmetricotlp.RegisterGRPCServer(srv, &service{r: s.receiver})
	for _, o := range s.others {
		o.RegisterGRPC(srv)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-ctx.Done()
		hard := time.AfterFunc(5*time.Second, srv.Stop)
		srv.GracefulStop()
		hard.Stop()
	}()
	err := srv.Serve(s.listener)
	if ctx.Err() != nil {
		<-done
		return nil
	}
	return fmt.Errorf("cannot serve OTLP/gRPC: %w", err)
}

type service struct {
	pmetricotlp.UnimplementedGRPCServer
	r *Receiver
}

func (s *service) Export(ctx context.Context, req pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	from := ""
	if p, ok := peer.FromContext(ctx); ok {
		from = host(p.Addr.String())
	}
	resp, err := s.r.export(ctx, req.Metrics(), from)
	if err != nil {
		return resp, grpcError(err)
	}
	return resp, nil
}
