//go:build bench

package bench

import "context"

func (b *bench) many(context.Context) error     { return nil }
func (b *bench) backtest(context.Context) error { return nil }
func (b *bench) latency(context.Context) error  { return nil }
func (b *bench) write(context.Context) error    { return nil }
