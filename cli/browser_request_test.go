package cli

import (
	"os"
	"strings"
	"testing"
)

// TestBrowserRequest walks the whole path: somebody asks, is refused by a guardrail, asks
// well, somebody else lets it through, a run fulfils it and is verified by what is
// measured after it, and all of it is on record.
func TestBrowserRequest(t *testing.T) {
	p := newProcess(t)
	p.declare(map[string]string{
		"catalog/desk.yml": `apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: trudy, labels: {evenkeel.dev/level: trainee}}
spec: {memberOf: [ops]}
---
apiVersion: backstage.io/v1alpha1
kind: User
metadata: {name: lena, labels: {evenkeel.dev/level: lead}}
spec: {memberOf: [ops]}
`,
		"requests/mend.yml": `title: Mend the pump
owner: ops
within: 1h
form:
  - {name: words, type: string, required: true, description: what to write}
guardrails:
  - {expect: 'size(form.words) >= 8', message: at least eight letters}
approval: {level: senior}
runbook: mend
`,
		"runbooks/mend.md": "---\ntitle: Mend the pump\nparams: [{name: words, required: true}]\n---\n\n```sh {name=mend risk=medium}\nprintf '<%s>' \"$words\"\n```\n\nDoes it run?\n\n```promql {name=runs expect=\"== 1\"}\nvector(1)\n```\n",
	})
	p.accounts("trudy", "lena")
	p.start()
	browser, base := chromium(t), "http://"+p.addr

	trudy := signIn(t, browser, base, "trudy").phone()
	trudy.open("/requests")
	trudy.sees("Mend the pump", "approval of level senior or above")
	trudy.press("Mend the pump")
	trudy.fill(`input[name="f.words"]`, "short")
	trudy.press("Ask for it")
	trudy.sees("at least eight letters")
	const hostile = `a "quoted" $(touch /tmp/never) 'word'`
	trudy.fill(`input[name="f.words"]`, hostile)
	trudy.press("Ask for it")
	trudy.sees("Request submitted", "waits for an approval of level senior")
	trudy.unfold("Explain")
	trudy.sees("nobody approves what they asked for themselves")
	trudy.fits()
	trudy.picture("request-waiting")
	request, _, _ := strings.Cut(trudy.path(), "?")

	lena := signIn(t, browser, base, "lena")
	lena.open("/requests")
	lena.sees("trudy")
	lena.open(request)
	lena.fill(`input[name=text]`, "which pump is it")
	lena.fill(`#question`, "which pump is it?")
	lena.press("Ask")
	lena.sees("waits for an answer")
	trudy.sees("which pump is it?") // the page is live
	trudy.fill(`#answer`, "the left one")
	trudy.press("Answer")
	trudy.sees("the left one")

	lena.open(request)
	lena.press("Approve")
	lena.sees("Approved")
	lena.finds(request, "is verified")
	lena.sees("See the run", "See the change", "without")
	trudy.sees("done")
	trudy.picture("request-done")

	lena.press("See the run")
	lena.sees("<" + hostile + ">")
	lena.open(request)
	lena.press("See the change")
	lena.sees("Mend the pump", "Timeline")
	lena.open("/journal?kind=request.")
	lena.sees("trudy asks: Mend the pump", "approved by lena", "fulfils it", "done")
	lena.open("/requests")
	lena.sees("Right first time", "100 %")
	lena.fits()
	lena.picture("requests")

	if _, err := os.Stat("/tmp/never"); err == nil {
		t.Error("a form's value became a command")
	}
}
