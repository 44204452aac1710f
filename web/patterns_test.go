package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// patternsOfTheNight are checkout's lines: orders all the time, refused payments in the
// last minutes.
func patternsOfTheNight() *pattern.Book {
	b := pattern.NewBook()
	for m := range 120 {
		at := night.Add(time.Duration(m-120) * time.Minute)
		b.Take("checkout", "info", fmt.Sprintf("order %d paid in %d ms", m, m*3), at)
		if m > 112 {
			b.Take("checkout", "error", fmt.Sprintf("payment %d refused <b>not markup</b>", m), at)
		}
	}
	return b
}

func TestPatternPages(t *testing.T) {
	e := busy(t)
	h := e.handler()
	list := body(t, get(t, h, e, "alice", "/patterns?service=checkout"))
	for _, want := range []string{"Otherwise than in the hour before", "order &lt;*&gt; paid in &lt;*&gt;", "payment &lt;*&gt; refused", `<td>new</td>`} {
		if !strings.Contains(list, want) {
			t.Errorf("the list does not say %q", want)
		}
	}
	if strings.Contains(list, "<b>not markup") {
		t.Error("a log line became markup")
	}
	id := patternsOfTheNight().List("checkout", night.Add(-time.Hour), night)[0].ID
	one := body(t, get(t, h, e, "alice", "/patterns/"+id))
	for _, want := range []string{"order 0 paid in 0 ms", `id="chart-pattern"`, "logs=service.name%3A%3D%22checkout%22"} {
		if !strings.Contains(one, want) {
			t.Errorf("the page of a pattern does not say %q", want)
		}
	}
	if res := get(t, h, e, "alice", "/patterns/nonsense"); res.StatusCode != http.StatusNotFound {
		t.Errorf("a pattern that is not there: %d", res.StatusCode)
	}
}
