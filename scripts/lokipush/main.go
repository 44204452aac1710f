// Command lokipush pushes numbered lines with Grafana's own client library for Loki. It
// is a real client for tests, and a module of its own, so that the program does not
// depend on that library.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/go-kit/log"
	"github.com/grafana/loki-client-go/loki"
	"github.com/prometheus/common/model"
)

func main() {
	url := flag.String("url", "", "address to push to")
	n := flag.Int("n", 100, "how many lines")
	app := flag.String("app", "lokipush", "value of the label app")
	flag.Parse()
	config, err := loki.NewDefaultConfig(*url)
	if err == nil {
		config.BatchWait = 50 * time.Millisecond
		var client *loki.Client
		if client, err = loki.NewWithLogger(config, log.NewLogfmtLogger(os.Stderr)); err == nil {
			for i := range *n {
				if err = client.Handle(model.LabelSet{"app": model.LabelValue(*app)}, time.Now(), fmt.Sprintf("line %d of %s", i, *app)); err != nil {
					break
				}
			}
			client.Stop() // sends what is left
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lokipush:", err)
		os.Exit(1)
	}
}
