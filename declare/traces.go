package declare

import "time"

// TraceSettings is the traces section of evenkeel.yml.
type TraceSettings struct {
	Retention     time.Duration  // default 7d
	RetentionSize int64          // bytes, 0 no limit
	Reduce        []LogReduction // of spans: drop rules, then aggregate rules
}
