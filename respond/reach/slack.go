package reach

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/evenkeel/evenkeel/declare"
	"github.com/evenkeel/evenkeel/respond"
)

// How old a request of Slack may be, and how large.
const (
	slackAge   = 5 * time.Minute
	slackBytes = 1 << 20
)

// SlackActions answers the buttons of messages that Slack shows. Only requests that
// Slack has signed within five minutes count, and only the person whom the message
// was for acknowledges with it.
func (b *Book) SlackActions(acknowledge func(ctx context.Context, now time.Time, who declare.PersonID, n respond.Number) (respond.Incident, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, slackBytes))
		if err != nil {
			http.Error(w, "cannot read the request", http.StatusBadRequest)
			return
		}
		key, err := secret(b.o.Workspace(), b.o.Workspace().Settings.Channels.Slack.SigningSecretFile, "channels.slack.signing_secret_file")
		if err != nil {
			http.Error(w, "buttons of Slack are not set up here", http.StatusNotFound)
			return
		}
		if !SlackSigned([]byte(key), r.Header.Get("X-Slack-Request-Timestamp"), r.Header.Get("X-Slack-Signature"), body, now) {
			http.Error(w, "the signature is not right", http.StatusUnauthorized)
			return
		}
		user, token, respondTo, err := pressed(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		text := ""
		if token != "" { // other buttons are links
			text = b.answerSlack(r.Context(), now, user, token, acknowledge)
		}
		answer, err := json.Marshal(object{"response_type": "ephemeral", "replace_original": false, "text": text})
		if err != nil {
			http.Error(w, "cannot answer", http.StatusInternalServerError)
			return
		}
		// Slack takes a 200 within three seconds as "it was heard". What the person reads comes
		// to the message's own address, after it.
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
		if text == "" || respondTo == "" {
			return
		}
		_ = http.NewResponseController(w).Flush() // a recorder in a test has none
		ctx, done := context.WithTimeout(context.WithoutCancel(r.Context()), b.o.Workspace().Settings.Channels.Timeout)
		defer done()
		c := call{url: respondTo, body: answer, header: map[string]string{"Content-Type": "application/json"}}
		if err := b.post(ctx, b.o.Workspace().Settings.Channels.Allow, c); err != nil {
			b.o.Logger.Warn("cannot answer the button of a message in Slack", "err", Clean(err.Error()))
		}
	})
}

// SlackSigned says whether Slack has signed a body, and lately.
func SlackSigned(key []byte, stamp, signature string, body []byte, now time.Time) bool {
	sent, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || now.Sub(time.Unix(sent, 0)).Abs() > slackAge || len(key) == 0 {
		return false
	}
	return hmac.Equal([]byte(slackSignature(key, stamp, string(body))), []byte(signature))
}

func slackSignature(key []byte, stamp, body string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// pressed reads who pressed which button, and where the answer is to go.
func pressed(body []byte) (user, token, respondTo string, err error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", "", "", fmt.Errorf("cannot read the request: expected a form")
	}
	var p struct {
		Type        string
		User        struct{ ID string }
		ResponseURL string `json:"response_url"`
		Actions     []struct {
			ActionID string `json:"action_id"`
			Value    string
		}
	}
	if err := json.Unmarshal([]byte(form.Get("payload")), &p); err != nil || p.Type != "block_actions" {
		return "", "", "", fmt.Errorf("cannot read the request: expected a payload of block_actions")
	}
	for _, a := range p.Actions {
		if a.ActionID == "acknowledge" {
			return p.User.ID, a.Value, p.ResponseURL, nil
		}
	}
	return p.User.ID, "", "", nil
}

func (b *Book) answerSlack(ctx context.Context, now time.Time, user, token string, acknowledge func(context.Context, time.Time, declare.PersonID, respond.Number) (respond.Incident, error)) string {
	d, err := b.Link(ctx, now, token)
	if err != nil {
		return "This button has ended. Open the incident's page."
	}
	ways, err := b.Methods(ctx, d.Person)
	if err != nil {
		b.o.Logger.Error("cannot read contact methods", "err", err)
		return "This did not work. Open the incident's page."
	}
	theirs := false
	for _, m := range ways {
		theirs = theirs || (m.Kind == declare.ContactSlack && m.URL == user && !m.Verified.IsZero())
	}
	if !theirs {
		return fmt.Sprintf("This message was for %s. Open the incident's page to acknowledge as yourself.", d.Person)
	}
	return b.Answer(ctx, now, token, acknowledge)
}

// Answer acknowledges from a message, and says what became of it.
func (b *Book) Answer(ctx context.Context, now time.Time, token string, acknowledge func(context.Context, time.Time, declare.PersonID, respond.Number) (respond.Incident, error)) string {
	d, err := b.UseLink(ctx, now, token)
	if err != nil {
		return "This button was used before, or has ended."
	}
	i, err := acknowledge(ctx, now, d.Person, d.Incident)
	if err != nil {
		return "Not acknowledged: " + err.Error() + "."
	}
	return fmt.Sprintf("#%d is acknowledged by %s.", i.Number, d.Person)
}
