package settings

import (
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

func defaultTraces() declare.TraceSettings {
	return declare.TraceSettings{Retention: 7 * 24 * time.Hour}
}

// traces reads the traces section.
func traces(n yamldoc.Node, s *declare.TraceSettings) {
	n.Only("retention", "retention_size", "drop", "aggregate")
	duration(n.Field("retention"), &s.Retention, 24*time.Hour, 20*365*24*time.Hour)
	size(n.Field("retention_size"), &s.RetentionSize, 64<<20)
	s.Reduce = reductions(n)
}
