//go:build screenshots

package cli

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestScreenshots makes the pictures of README and docs from the running demo: the
// same faults, the same pages, nothing painted.
func TestScreenshots(t *testing.T) {
	_, out := runDemo(t)
	find := func(pattern string) string {
		t.Helper()
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			if m := regexp.MustCompile(pattern).FindStringSubmatch(out.String()); m != nil {
				return m[1]
			}
		}
		t.Fatalf("the demo does not say %s:\n%s", pattern, out.String())
		return ""
	}
	url, control := find(`Evenkeel +(http\S+)`), find(`phone +(http\S+)`)
	password := map[string]string{"alice": find(`alice +(\S+)`), "bob": find(`bob +(\S+)`), "carol": find(`carol +(\S+)`)}

	browser := map[string]context.Context{}
	run := func(ctx context.Context, actions ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
		defer cancel()
		if err := chromedp.Do(ctx, actions...); err != nil {
			where, _ := chromedp.Run(ctx, chromedp.Location())
			t.Fatal(err, " at ", where)
		}
	}
	text := func(who string) string {
		t.Helper()
		s, err := chromedp.Run(browser[who], chromedp.Text(chromedp.CSS(`main`)))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, who := range []string{"alice", "bob"} {
		// A browser each: a tab in the background is slowed down.
		ctx := chromium(t)
		browser[who] = ctx
		run(ctx, chromedp.Navigate(url+"/sign-in"), chromedp.SendKeys(chromedp.CSS(`input[name=person]`), who), chromedp.SendKeys(chromedp.CSS(`input[name=password]`), password[who]),
			chromedp.Submit(chromedp.CSS(`input[name=password]`)), chromedp.WaitVisible(chromedp.CSS(`main`)))
	}
	images, err := filepath.Abs("../docs/img")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(images, 0o755); err != nil {
		t.Fatal(err)
	}
	shot := func(who, name, path string, width, height int64, dark bool) {
		t.Helper()
		scheme := "light"
		if dark {
			scheme = "dark"
		}
		ctx := browser[who]
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		}); err != nil {
			t.Fatal(err)
		}
		run(ctx, chromedp.EmulateViewport(width, height), chromedp.Navigate(url+path), chromedp.WaitVisible(chromedp.CSS(`main`)), chromedp.Sleep(700*time.Millisecond))
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(images, name+".png"), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	both := func(who, name, path string) {
		t.Helper()
		shot(who, name+"-light", path, 1280, 900, false)
		shot(who, name+"-dark", path, 1280, 900, true)
		shot(who, name+"-phone", path, 390, 844, false)
	}
	post := func(path string) {
		t.Helper()
		res, err := http.Post(control+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); res.StatusCode >= 300 {
			t.Fatalf("%s: %s %s", path, res.Status, body)
		}
	}
	visible := func(who, path, want string) {
		t.Helper()
		for end := time.Now().Add(90 * time.Second); ; time.Sleep(time.Second) {
			run(browser[who], chromedp.Navigate(url+path), chromedp.WaitVisible(chromedp.CSS(`main`)))
			body := text(who)
			if strings.Contains(strings.ToLower(body), want) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s does not show %q:\n%s", path, want, body)
			}
		}
	}
	time.Sleep(45 * time.Second) // of calm, so that the charts have something to compare with
	post("/faults/noise")
	post("/faults/bad-release")
	visible("alice", "/incidents", "burns its error budget")
	time.Sleep(5 * time.Second)
	both("alice", "now", "/")
	both("alice", "incident", "/incidents/1")
	run(browser["alice"], chromedp.Navigate(url+"/runbooks/checkout-rollback?incident=1"), chromedp.WaitVisible(chromedp.CSS(`main`)),
		chromedp.Click(chromedp.CSS(`main form[action*="run"] button[type=submit], main form[action*="run"] button:not([type])`)), chromedp.Sleep(3*time.Second))
	where, err := chromedp.Run(browser["alice"], chromedp.Location())
	if err != nil {
		t.Fatal(err)
	}
	runPath := strings.TrimPrefix(where, url)
	if at := strings.IndexByte(runPath, '?'); at >= 0 {
		runPath = runPath[:at]
	}
	both("bob", "run", runPath)
	run(browser["bob"], chromedp.Navigate(url+runPath), chromedp.WaitVisible(chromedp.CSS(`main`)), chromedp.Click(chromedp.CSS(`main form[action$="approve"] button, main button[formaction$="approve"], main button[value=approve]`)), chromedp.Sleep(time.Second))
	visible("bob", runPath, "verified")
	both("bob", "run-verified", runPath)
	both("bob", "service", "/services/checkout")
	both("bob", "services", "/services")
	both("bob", "findings", "/findings")
	both("bob", "changes", "/changes")
	both("bob", "journal", "/journal")
	both("bob", "explore", `/explore?expr=sum+by+(code)+(rate(http_server_requests_total{service%3D"checkout"}[15s]))&range=15m`)
	both("bob", "dashboard", "/dashboards/orders")
	both("bob", "service-dashboard", "/services/checkout/dashboard?range=15m")
	both("bob", "patterns", "/patterns?range=15m")
	both("bob", "tail", "/explore?logs=*&tail=1")
	both("bob", "objective", "/objectives/checkout-availability")
	both("bob", "rules", "/rules?order=memory")
	both("bob", "rule", "/rules/rule?file=rules%2Fshop.yml&group=shop&name=CheckoutMemoryGrowing")
	both("bob", "traces", `/explore?traces=%7B+resource.service.name+%3D+"checkout"+%26%26+status+%3D+error+%7D&range=15m&differ=1`)
	run(browser["bob"], chromedp.Click(chromedp.CSS(`td.lead a[href^="/traces/"]`)), chromedp.Sleep(time.Second))
	if where, err = chromedp.Run(browser["bob"], chromedp.Location()); err != nil {
		t.Fatal(err)
	}
	both("bob", "trace", strings.TrimPrefix(where, url))
	run(browser["bob"], chromedp.Navigate(url+"/incidents/1/review"), chromedp.WaitVisible(chromedp.CSS(`main`)), chromedp.Sleep(time.Second))
	if !strings.Contains(text("bob"), "Timeline") {
		run(browser["bob"], chromedp.Click(chromedp.CSS(`main form[action*="review"] button`)), chromedp.Sleep(time.Second))
	}
	both("bob", "review", "/incidents/1/review")
	fmt.Println("pictures in", images)
}
