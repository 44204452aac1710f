package runbook

import (
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/declare/yamldoc"
)

// ReadParam reads one typed input: forms of requests have the same ones.
func ReadParam(n yamldoc.Node) declare.Param { return readParam(n) }

// Unfit says what is expected of a value where it is not that, and "" where it is.
func Unfit(p declare.Param, v string) string { return unfit(p, v) }
