package logs

import (
	"flag"
	"strconv"
	"sync"
)

// cacheBytes bounds the engine's caches and the state of one query, for all stores of
// the process together. Its own default would be 60 % of the machine.
const cacheBytes = 256 << 20

var engineOnce sync.Once

// prepareEngine sets the flags that the engine reads from the process-wide set. Our own
// command line is elsewhere; that set is parsed once, with nothing, because the engine
// insists on it having been parsed.
func prepareEngine() {
	engineOnce.Do(func() {
		for name, value := range map[string]string{"memory.allowedBytes": strconv.Itoa(cacheBytes), "loggerLevel": "WARN"} {
			if err := flag.CommandLine.Set(name, value); err != nil {
				panic("the log engine has no flag " + name + ": " + err.Error()) // another version of it
			}
		}
		if !flag.Parsed() {
			_ = flag.CommandLine.Parse(nil)
		}
	})
}
