package cli

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evenkeel/evenkeel/observe/doctor"
)

func init() { observeVerbs = append(observeVerbs, observeDoctor) }

func observeDoctor(r *remote) *cobra.Command {
	var protocol, service, attributes string
	cmd := &cobra.Command{
		Use: "doctor [ENDPOINT]", Args: cobra.MaximumNArgs(1), ValidArgsFunction: cobra.NoFileCompletions,
		Short: "Check a sender of telemetry: endpoint, protocol, resource attributes, clock",
		Long: `Check a sender of telemetry as it is configured here: the endpoint, the protocol, the
resource attributes against OpenTelemetry's semantic conventions, the clock. Run it where
the sender runs, with the sender's environment: OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL,
_HEADERS, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES are read; flags win. The requests
that it sends are empty. Over gRPC the clock is not compared: no answer there says the time.

Exit code: 0 when all is well, 1 when something should be fixed, 2 when it could not look.`,
		Example: `  evenkeel observe doctor
  OTEL_SERVICE_NAME=checkout evenkeel observe doctor http://127.0.0.1:4317 --protocol grpc
  kubectl exec deploy/checkout -- evenkeel observe doctor`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s := doctor.Sender{Endpoint: cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"), defaultURL), Protocol: cmp.Or(protocol, os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf"), Headers: map[string]string{}}
			if len(args) > 0 {
				s.Endpoint = args[0]
			}
			for _, pair := range strings.Split(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"), ",") {
				if k, v, found := strings.Cut(pair, "="); found {
					if text, err := url.PathUnescape(v); err == nil {
						s.Headers[strings.TrimSpace(k)] = text
					}
				}
			}
			verdicts := doctor.Probe(cmd.Context(), s, time.Now)
			attrs, bad := doctor.ParseResource(cmp.Or(attributes, os.Getenv("OTEL_RESOURCE_ATTRIBUTES")), cmp.Or(service, os.Getenv("OTEL_SERVICE_NAME")))
			verdicts = append(append(verdicts, bad...), doctor.Resource(attrs)...)
			raw, err := asJSON(verdicts)
			if err != nil {
				return err
			}
			if err := r.format.print(cmd, raw, func(w io.Writer) {
				t := columns("VERDICT", "CHECK", "FOUND", "FIX")
				for _, v := range verdicts {
					t.row(string(v.Level), v.Check, v.Found, v.Fix)
				}
				t.write(w)
			}); err != nil {
				return err
			}
			sick := 0
			for _, v := range verdicts {
				if v.Level != doctor.OK {
					sick++
				}
			}
			if sick > 0 {
				return &foundError{fmt.Sprintf("%d of %d checks ask for something to be fixed", sick, len(verdicts))}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&protocol, "protocol", "", "grpc, http/protobuf or http/json (default $OTEL_EXPORTER_OTLP_PROTOCOL, else http/protobuf)")
	f.StringVar(&service, "service", "", "service.name (default $OTEL_SERVICE_NAME)")
	f.StringVar(&attributes, "attributes", "", "resource attributes as key=value,… (default $OTEL_RESOURCE_ATTRIBUTES)")
	return cmd
}
