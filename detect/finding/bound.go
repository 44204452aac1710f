package finding

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/detect"
)

// The bounds of one finding: what comes from rules and foreign senders is cut.
const (
	maxLabels = 100
	maxText   = 10_000
)

// distinct bounds what was seen and keeps the last word on each finding.
func distinct(seen []detect.Finding) []detect.Finding {
	out := make([]detect.Finding, 0, len(seen))
	at := make(map[detect.Fingerprint]int, len(seen))
	for _, f := range seen {
		f = bound(f)
		if i, twice := at[f.Fingerprint]; twice {
			out[i] = f
			continue
		}
		at[f.Fingerprint] = len(out)
		out = append(out, f)
	}
	return out
}

func bound(f detect.Finding) detect.Finding {
	f.Labels, f.Annotations = boundMap(f.Labels), boundMap(f.Annotations)
	f.Summary, f.Description, f.Expr = cut(f.Summary), cut(f.Description), cut(f.Expr)
	f.Name, f.Runbook = cut(f.Name), cut(f.Runbook)
	f.Service, f.Team, f.Objective = declare.ServiceID(cut(string(f.Service))), declare.TeamID(cut(string(f.Team))), declare.ObjectiveName(cut(string(f.Objective)))
	if f.Fingerprint == "" {
		f.Fingerprint = detect.MakeFingerprint(f.Detector, f.Labels)
	}
	if f.Value != f.Value { // NaN does not survive JSON nor SQL
		f.Value = 0
	}
	return f
}

// fits says whether nothing of it has to be cut.
func fits(m map[string]string) bool {
	if len(m) > maxLabels {
		return false
	}
	for k, v := range m {
		if len(k) > maxText || len(v) > maxText || !utf8.ValidString(k) || !utf8.ValidString(v) {
			return false
		}
	}
	return true
}

func boundMap(m map[string]string) map[string]string {
	if m != nil && fits(m) {
		return maps.Clone(m)
	}
	out := make(map[string]string, len(m))
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i == maxLabels {
			break
		}
		out[cut(k)] = cut(m[k])
	}
	return out
}

func cut(s string) string {
	if len(s) > maxText {
		s = s[:maxText] + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
