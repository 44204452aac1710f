package runbook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	code    int
	message string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the cluster says: %s (%d)", e.message, e.code)
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
		return nil, fmt.Errorf("cannot reach the cluster: %w", err)
	}
	defer res.Body.Close()
	dec := json.NewDecoder(io.LimitReader(res.Body, 64<<20))
	dec.UseNumber()
	var o object
	err = dec.Decode(&o)
	if res.StatusCode/100 != 2 {
		message := text(o["message"])
		if message == "" {
			message = res.Status
		}
		return nil, &statusError{res.StatusCode, message}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("cannot read the cluster's answer: %w", err)
	}
	return o, nil
}

// pathOf is where an object lives; what its kind is called there, the server says.
func (c *cluster) pathOf(ctx context.Context, o object, namespace string) (string, error) {
	version, kind, name := text(o["apiVersion"]), text(o["kind"]), text(dig(o, "metadata", "name"))
	if version == "" || kind == "" || !parse.KubeName(name) {
		return "", fmt.Errorf("expected apiVersion, kind and metadata.name, got %q, %q, %.80q", version, kind, name)
	}
	root := "/api/" + url.PathEscape(version)
	if group, v, ok := strings.Cut(version, "/"); ok {
		root = "/apis/" + url.PathEscape(group) + "/" + url.PathEscape(v)
	}
	list, err := c.get(ctx, root)
	if err != nil {
		return "", fmt.Errorf("%s: %w", version, err)
	}
	resources, _ := dig(list, "resources").([]any)
	for _, r := range resources {
		plural := text(dig(r, "name"))
		if text(dig(r, "kind")) != kind || strings.Contains(plural, "/") {
			continue
		}
		if namespaced, _ := dig(r, "namespaced").(bool); !namespaced {
			return root + "/" + plural + "/" + name, nil
		}
		ns := text(dig(o, "metadata", "namespace"))
		if ns == "" {
			ns = namespace
		}
		if !parse.KubeName(ns) {
			return "", fmt.Errorf("%s/%s: expected a namespace, got %.80q", kind, name, ns)
		}
		return root + "/namespaces/" + ns + "/" + plural + "/" + name, nil
	}
	return "", fmt.Errorf("the cluster does not know a %s of %s", kind, version)
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
