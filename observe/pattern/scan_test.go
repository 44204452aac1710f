package pattern_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/evenkeel/evenkeel/observe/pattern"
)

// TestValuesByTheirLooks: one line is enough for these.
func TestValuesByTheirLooks(t *testing.T) {
	f := func(line, want string) {
		t.Helper()
		if got := pattern.NewMiner().Add(line).String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	f("proxy.example.com:5070 close, 403 bytes sent, lifetime <1 sec", "<*> close, <*> sent, lifetime <*>")
	f("proxy.example.com:5070 close, 403 bytes sent, lifetime 00:01", "<*> close, <*> sent, lifetime <*>")
	f("proxy.example.com:5070 close, 4096 bytes (4.00 KB) sent, lifetime 00:01", "<*> close, <*> sent, lifetime <*>")
	f("api.shop.asia:443 open, see https://shop.example/help?topic=proxy: no answer", "<*> open, see <*>: no answer")
	f("server.go:44 cannot open main.py:17", "server.go:<*> cannot open main.py:<*>")
	f(`10.11.10.1 "GET /v2/54fadb/servers?all_tenants=True&since=x HTTP/1.1" 200`, `<*> "GET <*>" <*>`)
	f("synchronized to LOCAL(0), stratum 10", "synchronized to LOCAL(<*>), stratum <*>")
	f("synchronized to #10.0.0.1#, reason #4", "synchronized to <*>, reason <*>")
	f("key up true, interactive=true", "key up true, interactive=<*>")
	f("MDNS: IPv6 Addr: fe80::1:2:3", "MDNS: IPv6 Addr: <*>")
	f("steps = 1514038440000##6993##548365", "steps = <*>")
	f(`10.11.10.1 "GET /v2/54fadb/servers HTTP/1.1" status: 200 time: 0.24`, `<*> "GET <*>" status: <*> time: <*>`)
	f("[instance: b9000564-fe1a-409b-b8cc-1e88b294cd1d] VM Started (Lifecycle Event)", "[instance: <*>] VM Started (Lifecycle Event)")
	f("Fan speeds ( 3552 3534 **** 3515 )", "Fan speeds ( <*> )")
	f("Targeting domains:node-D1 and nodes:node-[40-63] child of command 2176", "Targeting domains:<*> and nodes:<*> child of command <*>")
	f("1 torus receiver x+ input pipe error(s) (dcr 0x02ec) detected", "<*> torus receiver <*> input pipe error(s) (dcr <*>) detected")
	f(`acquire lock=189, tag="*a b*", ws=WorkSource{10107}, ok=true`, "acquire lock=<*>, tag=<*>, ws=WorkSource{<*>}, ok=<*>")
	f("logname= uid=0 rhost=host", "logname=<*> uid=<*> rhost=host")
	f("at Fri Jun 17 07:07:00 2005 it may be", "at <*> it may be")
	f("(root) CMD (run-parts /etc/cron.hourly)", "(root) CMD (run-parts <*>)")
	f("", "")
	f("...", "...")
}

// TestPlacesBecomeVariables: what a word is shows when others stand in its place.
func TestPlacesBecomeVariables(t *testing.T) {
	m := pattern.NewMiner()
	for _, user := range []string{"cyrus", "news", "root"} {
		for range 3 {
			m.Add("session opened for user " + user + " by (uid=0)")
		}
	}
	for _, state := range []string{"Started", "Paused", "Resumed", "Stopped"} {
		m.Add("VM " + state + " (Lifecycle Event)")
	}
	for i := range 40 {
		m.Add(fmt.Sprintf("customer %s wants %s delivered", strings.Repeat(string(rune('a'+i%20)), 3), strings.Repeat(string(rune('a'+i/2)), 4)))
	}
	got := map[string]uint64{}
	total := uint64(0)
	for _, p := range m.Templates() {
		got[p.String()] = p.Count
		total += p.Count
	}
	want := map[string]uint64{
		"session opened for user <*> by (uid=<*>)": 9, "VM Started (Lifecycle Event)": 1, "VM Paused (Lifecycle Event)": 1,
		"VM Resumed (Lifecycle Event)": 1, "VM Stopped (Lifecycle Event)": 1, "customer <*> wants <*> delivered": 40,
	}
	for text, n := range want {
		if got[text] != n {
			t.Errorf("%q: got %d lines, expected %d", text, got[text], n)
		}
	}
	if len(got) != len(want) || total != 53 {
		t.Errorf("%d lines in %d templates: %v", total, len(got), got)
	}
}

// TestWhatWordsTell: a place is a variable sooner where its neighbour says that a name
// follows, and never where nothing else would be left of the line.
func TestWhatWordsTell(t *testing.T) {
	f := func(what string, want int, lines ...string) {
		t.Helper()
		m := pattern.NewMiner()
		for _, l := range lines {
			m.Add(l)
		}
		if got := m.Templates(); len(got) != want {
			t.Errorf("%s: %d templates, expected %d; the first: %s", what, len(got), want, got[0])
		}
	}
	all := func(format string, words string) (out []string) {
		for _, w := range strings.Fields(words) {
			out = append(out, fmt.Sprintf(format, w))
		}
		return out
	}
	f("lines of one word", 8, all("%s", "suspend resume close open expand collapse schedule cancel")...)
	f("two names", 2, all("session begun by client %s now", "SPP Updater")...)
	f("three names", 1, all("session begun by client %s now", "SPP Updater Browser")...)
	f("names behind name=", 1, all("acquire name=%s flags=1", "android audioserver phone")...)
	f("names of parts at the beginning", 1, all("%s: told to run this job", "app.a.daily app.b.daily app.c.hourly app.d.weekly app.e.daily app.f.daily")...)
	f("words at the beginning", 6, all("%s to run this job", "told asked forced expected scheduled began")...)
	f("true and false of a sentence", 2, all("overlap:%s", "true false")...)
	f("a name with a number among values", 1, "synchronized to 10.1.1.1, stratum 3", "synchronized to LOCAL(0), stratum 10")
}

// TestBounded: whatever comes, the number of templates is, and no line is lost.
func TestBounded(t *testing.T) {
	m := pattern.NewMiner()
	x := uint64(1)
	random := func() string {
		x = x*6364136223846793005 + 1442695040888963407
		return strings.Map(func(r rune) rune { return 'a' + (r-'0')%10 }, fmt.Sprint(x>>40))
	}
	n := 20_000
	for i := range n {
		words := make([]string, 1+i%9)
		for j := range words {
			words[j] = random()
		}
		m.Add(strings.Join(words, " "))
	}
	total := uint64(0)
	for _, p := range m.Templates() {
		total += p.Count
	}
	if len(m.Templates()) > 3_001 || total != uint64(n) {
		t.Errorf("%d templates of %d lines", len(m.Templates()), total)
	}
}

func FuzzAdd(f *testing.F) {
	f.Add("a=1 b=\"c d\" [e] <1 sec f-[1-2] x+ ****", "a= b=c")
	f.Add("\xff\xfe\x00 ==<0 ##1##2", "()[]{}")
	f.Fuzz(func(t *testing.T, a, b string) {
		m := pattern.NewMiner()
		for _, l := range []string{a, b, a} {
			m.Add(l)
		}
		total := uint64(0)
		for _, p := range m.Templates() {
			total += p.Count
			if s := p.String(); utf8.ValidString(a) && utf8.ValidString(b) && !utf8.ValidString(s) && len(a) < 2000 && len(b) < 2000 {
				t.Errorf("a template that is not text: %q", s)
			}
		}
		if total != 3 {
			t.Errorf("%d of 3 lines are counted", total)
		}
	})
}
