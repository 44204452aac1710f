package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// TestStormKilled: two senders, as two Prometheus servers of a pair, send the same storm
// of alerts, and the server is killed in the middle of it. Nothing that was acknowledged
// is lost, nothing is there twice, it becomes a handful of incidents, and each of them
// pages, within bounds. EVENKEEL_STORM sets how many alerts; make soak sends 100,000.
func TestStormKilled(t *testing.T) {
	total, services, batch := 3000, 300, 250
	if n, err := strconv.Atoi(os.Getenv("EVENKEEL_STORM")); err == nil && n >= 1000 {
		total, batch = n, 1000
	}
	p := newProcess(t)
	phone := newPager(t)
	p.declare(map[string]string{
		"routing.yml": fmt.Sprintf("route: {receiver: phone, group_by: [service], group_wait: 1s, group_interval: 5s}\nreceivers:\n  - name: phone\n    webhook_configs: [{url: %q, send_resolved: false}]\n", phone.URL),
	})
	p.start()
	type alert struct {
		Labels map[string]string `json:"labels"`
	}
	made := func(n int) alert {
		return alert{map[string]string{"alertname": "Down", "severity": "page", "service": fmt.Sprintf("service-%d", n%services), "instance": fmt.Sprint(n)}}
	}
	// send returns nil only when the alerts were acknowledged.
	send := func(from int) error {
		var all []alert
		for n := from; n < min(from+batch, total); n++ {
			all = append(all, made(n))
		}
		body, err := json.Marshal(all)
		if err != nil {
			return err
		}
		res, err := http.Post("http://"+p.addr+"/api/v2/alerts", "application/json", bytes.NewReader(body))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err == nil && res.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", res.Status, text)
		}
		return err
	}
	began := time.Now()
	var once sync.Once
	var restarted sync.WaitGroup
	restarted.Add(1)
	var senders sync.WaitGroup
	for range 2 {
		senders.Go(func() {
			for from := 0; from < total; from += batch {
				if from >= total/2 {
					once.Do(func() { p.kill(); p.start(); restarted.Done() })
					restarted.Wait()
				}
				// A sender sends again what was not acknowledged.
				for end := time.Now().Add(time.Minute); ; {
					err := send(from)
					if err == nil {
						break
					}
					if time.Now().After(end) {
						t.Errorf("alerts from %d on: %v", from, err)
						return
					}
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	senders.Wait()
	took := time.Since(began)

	var findings struct{ Total int }
	if err := p.call(http.MethodGet, "findings?detector=alert&limit=1", nil, &findings); err != nil || findings.Total != total {
		t.Errorf("%d alerts became %d findings, %v", total, findings.Total, err)
	}
	var incidents struct{ Items []respond.Incident }
	if err := p.call(http.MethodGet, "incidents", nil, &incidents); err != nil || len(incidents.Items) == 0 || len(incidents.Items) > 6 {
		t.Fatalf("%d incidents, expected a handful, %v", len(incidents.Items), err)
	}
	belong := 0
	for _, i := range incidents.Items {
		var of struct{ Total int }
		if err := p.call(http.MethodGet, fmt.Sprintf("findings?incident=%d&limit=1", i.Number), nil, &of); err != nil {
			t.Fatal(err)
		}
		belong += of.Total
	}
	if belong != total {
		t.Errorf("%d of %d findings belong to an incident", belong, total)
	}
	// Every incident pages; after a kill a receiver may be told again, within the same bound.
	told, messages := map[string]int{}, 0
	p.until("each incident to page", func() bool {
		for {
			select {
			case m := <-phone.messages:
				messages++
				told[m.Alerts[0].Annotations["incident"]]++
				continue
			default:
			}
			break
		}
		return len(told) >= len(incidents.Items)
	})
	for n, count := range told {
		if count > 20 {
			t.Errorf("incident %s sent %d messages", n, count)
		}
	}
	t.Logf("%d alerts of %d services, sent by two, taken in %s with a kill: %d incidents, %d messages", total, services, took.Round(time.Millisecond), len(incidents.Items), messages)
}
