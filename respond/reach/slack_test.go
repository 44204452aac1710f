package reach

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

func TestSlackActions(t *testing.T) {
	hook, got := receiver(t, `{"ok":true}`, 200)
	o := newOffice(t, person("alice", "slack:UALICE"))
	for file, text := range map[string]string{"signing": "s3cret", "bot": "xoxb"} {
		if err := os.WriteFile(filepath.Join(o.ws.Dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := &o.ws.Settings.Channels
	c.Slack.URL, c.Slack.TokenFile, c.Slack.SigningSecretFile = hook, "bot", "signing"
	o.send(page("k", "alice"))
	d := o.until("alice", respond.DeliveryDelivered)
	acked := ""
	h := o.book.SlackActions(func(_ context.Context, _ time.Time, who declare.PersonID, n respond.Number) (respond.Incident, error) {
		acked += fmt.Sprint(who, n, " ")
		return respond.Incident{Number: n}, nil
	})
	press := func(what, key, user, token string, age time.Duration, status int, want string) {
		t.Helper()
		payload, _ := json.Marshal(object{"type": "block_actions", "user": object{"id": user}, "response_url": hook + "/respond", "actions": []any{object{"action_id": "acknowledge", "value": token}}})
		body := url.Values{"payload": {string(payload)}}.Encode()
		stamp := fmt.Sprint(time.Now().Add(-age).Unix())
		r := httptest.NewRequest(http.MethodPost, "/hooks/slack/actions", strings.NewReader(body))
		r.Header.Set("X-Slack-Request-Timestamp", stamp)
		r.Header.Set("X-Slack-Signature", slackSignature([]byte(key), stamp, body))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %s", what, w.Code, w.Body)
		}
	}
	token := o.book.token(d.ID, time.Now().Add(time.Hour))
	press("a wrong key", "guess", "UALICE", token, 0, 401, "signature")
	press("an old request", "s3cret", "UALICE", token, 6*time.Minute, 401, "signature")
	press("somebody else", "s3cret", "UBOB", token, 0, 200, "was for alice")
	press("a forged token", "s3cret", "UALICE", token+"x", 0, 200, "has ended")
	if acked != "" {
		t.Errorf("acknowledged: %s", acked)
	}
	press("alice", "s3cret", "UALICE", token, 0, 200, "acknowledged by alice")
	press("alice again", "s3cret", "UALICE", token, 0, 200, "used before")
	if acked != "alice1 " {
		t.Errorf("acknowledged: %s", acked)
	}
	// What the person reads comes to the message's own address; Slack does not show the answer
	// to its request.
	var answers []string
	for _, s := range got() {
		if s.path == "/respond" {
			answers = append(answers, s.body)
		}
	}
	if len(answers) != 4 || !strings.Contains(answers[0], "was for alice") || !strings.Contains(answers[2], "acknowledged by alice") || !strings.Contains(answers[3], "ephemeral") {
		t.Errorf("told in Slack: %q", answers)
	}
	// The example of Slack's own documentation.
	body := "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	if !SlackSigned([]byte("8f742231b10e8888abcd99yyyzzz85a5"), "1531420618", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503", []byte(body), time.Unix(1531420700, 0)) {
		t.Error("the documented signature is refused")
	}
}
