package runbook

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/evenkeel/evenkeel/declare"
	parse "github.com/evenkeel/evenkeel/declare/runbook"
)

// cluster speaks to one Kubernetes API server: plain JSON over the transport that its
// kubeconfig describes. A step needs a handful of calls, not a typed client.
type cluster struct {
	base   string
	client *http.Client
	dry    bool
	told   [][]string // what each approver was told of the cluster, if anything
}

// newCluster reads a kubeconfig; without one it is the cluster that the server is in.
func newCluster(file, name string) (*cluster, error) {
	var config *rest.Config
	var err error
	if file == "" {
		config, err = rest.InClusterConfig()
	} else {
		config, err = clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: file}, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	}
	if err != nil {
		return nil, fmt.Errorf("cannot reach a cluster: %w", err)
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("cannot reach a cluster: %w", err)
	}
	base := strings.TrimSuffix(config.Host, "/")
	if !strings.Contains(base, "://") {
		base = "https://" + base
	}
	return &cluster{base: base, client: client}, nil
}

// statusError is what the API server refused, in its words.
type statusError struct {
	code           int
	message, cause string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the cluster says: %s (%d)", e.message, e.code)
}

// unreachableError is why the API server was not reached.
type unreachableError struct{ err error }

func (e *unreachableError) Error() string { return "cannot reach the cluster: " + e.err.Error() }

func (e *unreachableError) Unwrap() error { return e.err }

// unsent says whether a request has failed before anything of it was sent.
func unsent(err error) bool {
	var op *net.OpError
	var verify *tls.CertificateVerificationError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, &verify)
}

// passing says whether a question may be answered when it is asked again.
func passing(err error) bool {
	var status *statusError
	if errors.As(err, &status) {
		return status.code == http.StatusTooManyRequests || status.code >= 500
	}
	var unreachable *unreachableError
	return errors.As(err, &unreachable)
}

func (c *cluster) get(ctx context.Context, path string) (object, error) {
	return c.do(ctx, http.MethodGet, path, "", nil)
}

func (c *cluster) patch(ctx context.Context, path, kind string, body any) (object, error) {
	return c.do(ctx, http.MethodPatch, path, kind, body)
}

func (c *cluster) post(ctx context.Context, path string, body any) (object, error) {
	return c.do(ctx, http.MethodPost, path, "application/json", body)
}

func (c *cluster) do(ctx context.Context, method, path, kind string, body any) (object, error) {
	if c.dry && method != http.MethodGet {
		sep := "?"
		if strings.Contains(path, "?") {
			sep = "&"
		}
		path += sep + "dryRun=All"
	}
	var send io.Reader
	if body != nil {
		b, err := json.Marshal(body) // JSON is YAML
		if err != nil {
			return nil, err
		}
		send = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, send)
	if err != nil {
		return nil, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "evenkeel")
	res, err := c.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		if method != http.MethodGet && !c.dry && !unsent(err) {
			return nil, fmt.Errorf("it may have been done, the cluster has not answered: %w", err)
		}
		return nil, &unreachableError{err}
	}
	defer res.Body.Close()
	dec := json.NewDecoder(io.LimitReader(res.Body, 64<<20))
	dec.UseNumber()
	var o object
	err = dec.Decode(&o)
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<10)) // to its end, else the server sees a client that has gone
	if res.StatusCode/100 != 2 {
		message := text(o["message"])
		if message == "" {
			message = res.Status
		}
		cause := ""
		if causes, _ := dig(o, "details", "causes").([]any); len(causes) > 0 {
			cause = text(dig(causes[0], "reason"))
		}
		return nil, &statusError{res.StatusCode, message, cause}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the cluster's answer: %w", err)
	}
	return o, nil
}

// list gets all of a list, a page at a time. path ends where its next parameter begins.
func (c *cluster) list(ctx context.Context, path string) ([]object, error) {
	var out []object
	if !strings.HasSuffix(path, "?") {
		path += "&"
	}
	for next := ""; ; {
		page, err := c.get(ctx, path+"limit=500&continue="+url.QueryEscape(next))
		if err != nil {
			return nil, err
		}
		items, _ := dig(page, "items").([]any)
		for _, it := range items {
			if o, ok := it.(object); ok {
				out = append(out, o)
			}
		}
		if next = text(dig(page, "metadata", "continue")); next == "" {
			return out, nil
		}
		if len(out) > 50_000 {
			return nil, fmt.Errorf("the cluster has more than %d of them", len(out))
		}
	}
}

// placed finds where manifests go; what their kinds are called there, the server says.
func (c *cluster) placed(ctx context.Context, namespace string, objects []object) ([]applied, error) {
	known := map[string][]any{}
	var out []applied
	for _, o := range objects {
		version, kind, name := text(o["apiVersion"]), text(o["kind"]), text(dig(o, "metadata", "name"))
		if version == "" || kind == "" || !parse.KubeName(name) {
			return nil, fmt.Errorf("expected apiVersion, kind and metadata.name, got %.80q, %.80q, %.80q", version, kind, name)
		}
		root := "/api/" + url.PathEscape(version)
		if group, v, ok := strings.Cut(version, "/"); ok {
			root = "/apis/" + url.PathEscape(group) + "/" + url.PathEscape(v)
		}
		if known[version] == nil {
			list, err := c.get(ctx, root)
			if err != nil {
				return nil, fmt.Errorf("%s/%s: %.80q: %w", kind, name, version, err)
			}
			known[version], _ = dig(list, "resources").([]any)
		}
		a := applied{object: o}
		for _, r := range known[version] {
			plural := text(dig(r, "name"))
			if text(dig(r, "kind")) != kind || strings.Contains(plural, "/") {
				continue
			}
			if namespaced, _ := dig(r, "namespaced").(bool); !namespaced {
				a.path = root + "/" + plural + "/" + name
				break
			}
			switch own := text(dig(o, "metadata", "namespace")); {
			case own != "" && namespace != "" && own != namespace:
				return nil, fmt.Errorf("%s/%s: its namespace is %.80q, the step's %q", kind, name, own, namespace)
			case own != "":
				a.namespace = own
			default:
				a.namespace = namespace
			}
			if !parse.KubeName(a.namespace) {
				return nil, fmt.Errorf("%s/%s: expected a namespace, got %.80q", kind, name, a.namespace)
			}
			a.path = root + "/namespaces/" + a.namespace + "/" + plural + "/" + name
			break
		}
		if a.path == "" {
			return nil, fmt.Errorf("the cluster does not know a %.80q of %.80q", kind, version)
		}
		out = append(out, a)
	}
	return out, nil
}

// manifests reads YAML documents and puts parameters into their strings: after parsing,
// so that no value can become a field.
func manifests(text string, book *declare.Runbook, values map[string]string) ([]object, error) {
	var out []object
	dec := yaml.NewDecoder(strings.NewReader(text))
	for {
		var v map[string]any
		err := dec.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read the manifest: %w", err)
		}
		if v == nil {
			continue
		}
		missing := ""
		put := func(s string, _ func(string) string) string {
			return parse.Reference.ReplaceAllStringFunc(s, func(ref string) string {
				got, ok := values[ref[2:len(ref)-1]]
				if !ok {
					missing = ref
				}
				return got
			})
		}
		o, _ := intoJSON(v, book, values, put).(map[string]any)
		if missing != "" {
			return nil, fmt.Errorf("no parameter %s", missing)
		}
		out = append(out, o)
	}
	if len(out) == 0 || len(out) > 100 {
		return nil, fmt.Errorf("expected from 1 to 100 manifests, got %d", len(out))
	}
	return out, nil
}
