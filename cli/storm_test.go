package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/respond"
)

// TestStormKilled: two senders, as two Prometheus servers of a pair, send the same storm
// of alerts, and the server is killed in the middle of it. Nothing that was acknowledged
// is lost, nothing is there twice, it becomes a handful of incidents, and each of them pages
// once; what else there is to say comes as updates, and few. EVENKEEL_STORM sets how many
// alerts; make soak sends 100,000.
func TestStormKilled(t *testing.T) {
	total, services, batch := 3000, 300, 250
	if n, err := strconv.Atoi(os.Getenv("EVENKEEL_STORM")); err == nil && n >= 1000 {
		total, batch = n, 1000
	}
	p := newProcess(t)
	phone := newPager(t)
	p.declare(map[string]string{
		"routing.yml": fmt.Sprintf("route: {receiver: phone, group_by: [service], group_wait: 1s, group_interval: 2s}\nreceivers:\n  - name: phone\n    webhook_configs: [{url: %q, send_resolved: false}]\n", phone.URL),
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
	began, killed := time.Now(), time.Time{}
	var once sync.Once
	var restarted sync.WaitGroup
	restarted.Add(1)
	var senders sync.WaitGroup
	for range 2 {
		senders.Go(func() {
			for from := 0; from < total; from += batch {
				if from >= total/2 {
					once.Do(func() {
						// Not before it has told somebody, and noted it: the page must not come again.
						p.until("the first page", func() bool {
							info, err := os.Stat(filepath.Join(p.dir, "data", "alerts", "nflog"))
							return err == nil && info.Size() > 0 && len(phone.messages) > 0
						})
						p.kill()
						killed = time.Now()
						p.start()
						restarted.Done()
					})
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
	// Every group asks: what is not told waits for the next update.
	p.until("every group to have asked", func() bool {
		return p.metric(`evenkeel_notifications_total{integration="webhook",status="held"}`) >= float64(services-3*len(incidents.Items))
	})
	pages, updates, messages := map[string][]pagerMessage{}, map[string]int{}, 0
	for len(phone.messages) > 0 {
		m := <-phone.messages
		messages++
		about := m.Alerts[0].Annotations
		switch about["notice"] {
		case "page":
			pages[about["incident"]] = append(pages[about["incident"]], m)
		case "update":
			updates[about["incident"]]++
		default:
			t.Errorf("a message is marked as %q", about["notice"])
		}
	}
	for _, i := range incidents.Items {
		n := fmt.Sprint(int64(i.Number))
		most := 2 // updates as they come, then one after a minute, two, four, …
		for gap := time.Minute; gap < time.Since(began); gap *= 2 {
			most++
		}
		switch told := pages[n]; {
		case len(told) == 1:
		case len(told) == 2 && killed.Sub(told[0].at) > 0 && killed.Sub(told[0].at) < time.Second:
			// The kill fell between the sending and the noting: at least once is what is promised.
			t.Logf("incident %s was told %s before the kill, and again", n, killed.Sub(told[0].at))
			most += 2
		default:
			t.Errorf("incident %s paged %d times, expected once", n, len(told))
		}
		if updates[n] > most {
			t.Errorf("incident %s sent %d updates in %s, expected at most %d", n, updates[n], time.Since(began).Round(time.Second), most)
		}
	}
	if len(pages) != len(incidents.Items) {
		t.Errorf("%d incidents paged, of %d", len(pages), len(incidents.Items))
	}
	t.Logf("%d alerts of %d services, sent by two, taken in %s with a kill: %d incidents, %d messages, of them %d pages", total, services, took.Round(time.Millisecond), len(incidents.Items), messages, len(pages))
}

// metric reads one of the server's own.
func (p *process) metric(name string) float64 {
	p.t.Helper()
	res, err := http.Get("http://" + p.addr + "/metrics")
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(rest), 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}
