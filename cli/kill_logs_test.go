package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestLogsSurviveBeingKilled pushes lines as Loki's clients do while the server is
// killed again and again: each acknowledged line is there afterwards, once.
func TestLogsSurviveBeingKilled(t *testing.T) {
	p := newProcess(t)
	p.start()
	acked := map[string]bool{}
	n := 0
	push := func() bool {
		var values []string
		var ids []string
		for i := range 20 {
			id := fmt.Sprintf("id-%d-%d", n, i)
			ids = append(ids, id)
			values = append(values, fmt.Sprintf(`["%d","line %s"]`, time.Now().UnixNano(), id))
		}
		n++
		body := `{"streams":[{"stream":{"app":"queue"},"values":[` + strings.Join(values, ",") + `]}]}`
		res, err := http.Post("http://"+p.addr+"/loki/api/v1/push", "application/json", strings.NewReader(body))
		if err != nil {
			return false
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusNoContent {
			t.Errorf("a push was answered %s", res.Status)
			return false
		}
		for _, id := range ids {
			acked[id] = true
		}
		return true
	}
	for range 3 {
		until := time.Now().Add(400 * time.Millisecond)
		for time.Now().Before(until) {
			push()
		}
		p.kill()
		p.start()
	}
	res, err := http.Get("http://" + p.addr + "/select/logsql/query?" + url.Values{"query": {`{app="queue"} | fields _msg`}}.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var text strings.Builder
	buf := make([]byte, 1<<20)
	for {
		k, err := res.Body.Read(buf)
		text.Write(buf[:k])
		if err != nil {
			break
		}
	}
	seen := map[string]int{}
	for _, line := range strings.Split(text.String(), "\n") {
		if _, id, ok := strings.Cut(line, "line "); ok {
			seen[strings.TrimRight(id, `"}`)]++
		}
	}
	lost, twice := 0, 0
	for id := range acked {
		if seen[id] == 0 {
			lost++
		}
	}
	for _, k := range seen {
		if k > 1 {
			twice++
		}
	}
	if len(acked) < 200 || lost > 0 || twice > 0 {
		t.Errorf("of %d acknowledged lines %d are lost and %d are there twice", len(acked), lost, twice)
	}
}
