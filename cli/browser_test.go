package cli

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/evenkeel/evenkeel/act/account"
	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/journal"
	"github.com/evenkeel/evenkeel/state"
)

// browserWait is for how long a browser waits for what it should see: a busy machine
// that runs all tests at once takes its time.
const browserWait = 60 * time.Second

// testPassword is everybody's in tests.
const testPassword = "correct horse battery"

// chromium starts one browser without a window, for all people of a test. The program
// comes from the path; EVENKEEL_CHROMIUM names another one.
func chromium(t *testing.T) context.Context {
	t.Helper()
	program := os.Getenv("EVENKEEL_CHROMIUM")
	if program == "" {
		var err error
		if program, err = exec.LookPath("chromium"); err != nil {
			t.Fatalf("no chromium: make test-tools installs it (%v)", err)
		}
	}
	dir, err := os.MkdirTemp("", "evenkeel-chromium") //nolint:usetesting // the browser may still write into it when the test ends
	if err != nil {
		t.Fatal(err)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(dir), chromedp.WSURLReadTimeout(browserWait))...)
	ctx, end := chromedp.NewContext(alloc)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // waits for the process
		end()
		stop()
		_ = os.RemoveAll(dir)
	})
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // starts it
		t.Fatal("cannot start the browser: ", err)
	}
	return ctx
}

// visitor is one person at the pages of a server, with cookies of their own.
type visitor struct {
	t    *testing.T
	base string
	ctx  context.Context
}

// visit opens a window of its own in the browser.
func visit(t *testing.T, browser context.Context, base string) *visitor {
	t.Helper()
	ctx, end := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	v := &visitor{t: t, base: base, ctx: ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return v
}

// signIn visits and signs in by the form.
func signIn(t *testing.T, browser context.Context, base, person string) *visitor {
	t.Helper()
	v := visit(t, browser, base)
	v.open("/sign-in")
	v.fill(`input[name=person]`, person)
	v.fill(`input[name=password]`, testPassword)
	v.press("Sign in")
	if at := v.path(); strings.HasPrefix(at, "/sign-in") {
		t.Fatalf("%s is not let in:\n%s", person, v.text("main"))
	}
	return v
}

// phone makes the window as small as a phone's.
func (v *visitor) phone() *visitor {
	v.t.Helper()
	v.do("use a phone", chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2)))
	return v
}

// do runs actions, which have browserWait to succeed.
func (v *visitor) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(v.ctx, browserWait)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		v.t.Fatalf("cannot %s at %s: %v\n%s", what, v.path(), err, v.text("body"))
	}
}

// open goes to a path of the server, or to a whole URL.
func (v *visitor) open(path string) {
	v.t.Helper()
	if !strings.Contains(path, "://") {
		path = v.base + path
	}
	v.do("open "+path, chromedp.Navigate(path), chromedp.WaitReady(chromedp.CSS("body")))
}

// path is where the browser is.
func (v *visitor) path() string {
	where, _ := eval[string](v, `location.pathname + location.search`)
	return where
}

// text is what a person reads of an element; "" when it is not there.
func (v *visitor) text(selector string) string {
	s, _ := eval[string](v, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
	return s
}

// eval evaluates an expression of the page's own language.
func eval[T any](v *visitor, expr string) (T, error) {
	ctx, cancel := context.WithTimeout(v.ctx, 10*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expr))
}

// until waits for something on the page as it is; pages stay live by themselves.
func (v *visitor) until(what string, ok func() bool) {
	v.t.Helper()
	for end := time.Now().Add(browserWait); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			v.t.Fatalf("waited in vain for %s at %s:\n%s", what, v.path(), v.text("body"))
		}
	}
}

// sees waits until a person reads the words, in whatever case the styles show them.
func (v *visitor) sees(words ...string) {
	v.t.Helper()
	for _, w := range words {
		v.until(fmt.Sprintf("%q", w), func() bool { return strings.Contains(strings.ToLower(v.text("body")), strings.ToLower(w)) })
	}
}

// finds opens a path again and again until a person reads the words there: for what
// comes to be on a page that is not live.
func (v *visitor) finds(path string, words string) {
	v.t.Helper()
	v.until(fmt.Sprintf("%q at %s", words, path), func() bool {
		v.open(path)
		return strings.Contains(strings.ToLower(v.text("body")), strings.ToLower(words))
	})
}

// fill replaces what stands in a field.
func (v *visitor) fill(selector, text string) {
	v.t.Helper()
	v.do("fill in "+selector, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// tick ticks a box.
func (v *visitor) tick(selector string) {
	v.t.Helper()
	v.until(selector, func() bool {
		on, err := eval[bool](v, fmt.Sprintf(`(() => { const b = document.querySelector(%q); if (b && !b.checked) b.click(); return !!b && b.checked; })()`, selector))
		return err == nil && on
	})
}

// choose selects an option of a list by its value.
func (v *visitor) choose(selector, value string) {
	v.t.Helper()
	v.do("choose "+value, chromedp.WaitVisible(chromedp.CSS(selector)), chromedp.SetValue(chromedp.CSS(selector), value))
}

// labelled finds the first visible button or link with this text.
const labelled = `(() => {
  for (const el of document.querySelectorAll("button, a, summary, input[type=submit]"))
    if ((el.innerText || el.value || "").trim().toLowerCase() === %q && el.getClientRects().length) { el.scrollIntoView({block: "center"}); return el; }
  return null;
})()`

// press clicks the button or link with this text and waits for the page that follows.
// A question that the page asks first is answered with yes.
func (v *visitor) press(label string) {
	v.t.Helper()
	find := fmt.Sprintf(labelled, strings.ToLower(label))
	v.until("a button "+label, func() bool { there, err := eval[bool](v, find+` !== null`); return err == nil && there })
	v.follow("press "+label, find)
}

// click clicks what a CSS selector finds and waits for the page that follows.
func (v *visitor) click(selector string) {
	v.t.Helper()
	find := fmt.Sprintf(`document.querySelector(%q)`, selector)
	v.until(selector, func() bool { there, err := eval[bool](v, find+` !== null`); return err == nil && there })
	v.follow("click "+selector, find)
}

// unfold opens what is folded under a summary with this text.
func (v *visitor) unfold(label string) {
	v.t.Helper()
	find := fmt.Sprintf(labelled, strings.ToLower(label))
	v.until("what unfolds by "+label, func() bool {
		open, err := eval[bool](v, `(() => { const s = `+find+`; if (s && !s.parentNode.open) s.click(); return !!s && s.parentNode.open; })()`)
		return err == nil && open
	})
}

func (v *visitor) follow(what, find string) {
	v.t.Helper()
	// The mark is gone when another document has come. A click by the page's own hand:
	// the element may be replaced by a fresh one at any moment.
	if _, err := eval[bool](v, `(() => { window.evenkeelTest = true; `+find+`.click(); return true; })()`); err != nil {
		v.t.Fatalf("cannot %s: %v", what, err)
	}
	v.until("the page after "+what, func() bool {
		gone, err := eval[bool](v, `(() => {
			const ask = document.querySelector("dialog#confirm[open] button[value=yes]");
			if (ask) ask.click();
			return window.evenkeelTest === undefined && document.readyState === "complete";
		})()`)
		return err == nil && gone
	})
}

// fits fails when the page is wider than the window: a person with a phone would have
// to scroll sideways.
func (v *visitor) fits() {
	v.t.Helper()
	over, err := eval[float64](v, `document.documentElement.scrollWidth - window.innerWidth`)
	if err != nil {
		v.t.Fatal(err)
	}
	if over > 0 {
		v.t.Errorf("%s is %g pixels wider than the window", v.path(), over)
	}
}

// picture keeps a screenshot where EVENKEEL_PICTURES names a folder; else it does nothing.
func (v *visitor) picture(name string) {
	v.t.Helper()
	dir := os.Getenv("EVENKEEL_PICTURES")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(v.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		v.t.Error(err)
	}
}

// accounts lets people sign in with testPassword. The server must not run yet.
func (p *process) accounts(people ...string) {
	p.t.Helper()
	db, err := state.Open(p.t.Context(), filepath.Join(p.dir, "data"))
	if err != nil {
		p.t.Fatal(err)
	}
	book := account.New(db)
	for _, who := range people {
		if err := book.Create(p.t.Context(), time.Now(), journal.System("test"), declare.PersonID(who), testPassword, false); err != nil {
			p.t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// declare replaces files of the workspace.
func (p *process) declare(files map[string]string) {
	p.t.Helper()
	for name, text := range files {
		path := filepath.Join(p.dir, "workspace", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			p.t.Fatal(err)
		}
	}
}

// TestBrowserSignsIn: somebody who follows a link is asked who they are and led to
// where they wanted to go; with a wrong password they stay outside.
func TestBrowserSignsIn(t *testing.T) {
	p := newProcess(t)
	p.accounts("carol")
	p.start()
	browser, base := chromium(t), "http://"+p.addr
	v := visit(t, browser, base).phone()
	v.open("/incidents?state=active")
	if at := v.path(); !strings.HasPrefix(at, "/sign-in?next=") {
		t.Fatalf("a guest is at %s", at)
	}
	v.fill(`input[name=person]`, "carol")
	v.fill(`input[name=password]`, "not my password")
	v.press("Sign in")
	v.sees("the name or the password is wrong")
	v.fill(`input[name=password]`, testPassword)
	v.press("Sign in")
	if at := v.path(); at != "/incidents?state=active" {
		t.Errorf("carol is at %s", at)
	}
	v.sees("No incident fits")
	v.fits()
}
