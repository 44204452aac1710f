package settings

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

var (
	updatePhases = []string{"investigating", "identified", "monitoring", "resolved"}
	updateWords  = []string{"{services}", "{since}", "{until}"}
	inBraces     = regexp.MustCompile(`\{[^{}]*\}`)
)

// maxTemplate is how long the wording of an update may be, in bytes.
const maxTemplate = 2000

// updateTemplates reads the first wordings of status updates, by phase.
func updateTemplates(n yamldoc.Node) map[string]string {
	if n.Missing() {
		return nil
	}
	n.Only(updatePhases...)
	out := map[string]string{}
	for _, phase := range updatePhases {
		t := n.Field(phase)
		if t.Missing() {
			continue
		}
		text := strings.TrimSpace(t.String())
		if text == "" || len(text) > maxTemplate {
			t.Problem(fmt.Sprintf("%d bytes", len(text)), fmt.Sprintf("a text of 1 to %d bytes", maxTemplate), "")
			continue
		}
		good := true
		for _, word := range inBraces.FindAllString(text, -1) {
			if !slices.Contains(updateWords, word) {
				t.Problem(word, "one of "+strings.Join(updateWords, ", "), "")
				good = false
			}
		}
		if good {
			out[phase] = text
		}
	}
	return out
}
