package dashboard

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/evenkeel/evenkeel/declare"
)

// Write writes a dashboard as the file that Read reads.
func Write(d *declare.Dashboard) ([]byte, error) {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("cannot write dashboard %q: %w", d.Name, err)
	}
	return b.Bytes(), enc.Close()
}
