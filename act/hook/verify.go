package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// tolerance is how far a signed time may be from our clock.
const tolerance = 5 * time.Minute

// refusal is a call that is not taken because of who sent it.
type refusal struct{ why string }

func (e *refusal) Error() string { return e.why }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

// same compares in constant time, also where the lengths differ.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func signed(h func() hash.Hash, secret string, body []byte) []byte {
	m := hmac.New(h, []byte(secret))
	m.Write(body)
	return m.Sum(nil)
}

// hexSignature checks a header as "sha256=0a1b…".
func hexSignature(r *http.Request, header, prefix string, h func() hash.Hash, secret string, body []byte) error {
	text := r.Header.Get(header)
	if text == "" {
		return refuse("the header %s is missing: expected a signature made with the secret of evenkeel.yml", header)
	}
	rest, ok := strings.CutPrefix(text, prefix)
	got, err := hex.DecodeString(rest)
	if !ok || err != nil {
		return refuse("cannot read the header %s: expected %shexadecimal digits", header, prefix)
	}
	if !hmac.Equal(got, signed(h, secret, body)) {
		return refuse("the signature in %s does not fit: expected one made with the secret of evenkeel.yml over the body as it was sent", header)
	}
	return nil
}

// standard checks a signature as standardwebhooks.com has it: the ID and the time are
// signed with the body. It returns the delivery's ID.
func standard(r *http.Request, secret string, body []byte, now time.Time) (string, error) {
	id, at := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	if id == "" || at == "" {
		return "", refuse("the headers webhook-id and webhook-timestamp are missing")
	}
	sec, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return "", refuse("cannot read webhook-timestamp %q: expected seconds since 1970", cut(at))
	}
	if off := now.Sub(time.Unix(sec, 0)); off > tolerance || off < -tolerance {
		return "", refuse("webhook-timestamp is %s from this clock: expected at most %s", off.Round(time.Second), tolerance)
	}
	key := secret
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err == nil && strings.HasPrefix(secret, "whsec_") {
		key = string(raw)
	}
	want := signed(sha256.New, key, []byte(id+"."+at+"."+string(body)))
	for _, one := range strings.Fields(r.Header.Get("Webhook-Signature")) {
		got, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1,"))
		if err == nil && strings.HasPrefix(one, "v1,") && hmac.Equal(got, want) {
			return id, nil
		}
	}
	return "", refuse("no signature in webhook-signature fits")
}

// bearer checks a token in Authorization.
func bearer(r *http.Request, secret string) error {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return refuse("the header Authorization is missing: expected Bearer and the secret of evenkeel.yml")
	}
	if !same(strings.TrimSpace(token), secret) {
		return refuse("the token in Authorization is not the secret of evenkeel.yml")
	}
	return nil
}

// signedOrToken takes a standard signature where there is one, else a token: for
// senders that cannot sign.
func signedOrToken(r *http.Request, secret string, body []byte, now time.Time) (string, error) {
	if r.Header.Get("Webhook-Signature") != "" {
		return standard(r, secret, body, now)
	}
	return r.Header.Get("Webhook-Id"), bearer(r, secret)
}

// verify says whether a call comes from who knows the secret, and its delivery's ID; ""
// where the sender gives none.
func verify(source string, r *http.Request, secret string, body []byte, now time.Time) (string, error) {
	switch source {
	case "github":
		return r.Header.Get("X-GitHub-Delivery"), hexSignature(r, "X-Hub-Signature-256", "sha256=", sha256.New, secret, body)
	case "gitlab":
		if r.Header.Get("Webhook-Signature") != "" {
			return standard(r, secret, body, now)
		}
		if !same(r.Header.Get("X-Gitlab-Token"), secret) {
			return "", refuse("the token in X-Gitlab-Token is not the secret of evenkeel.yml")
		}
		return r.Header.Get("Idempotency-Key"), nil
	case "flux":
		return "", hexSignature(r, "X-Signature", "sha256=", sha256.New, secret, body)
	case "terraform":
		if r.Header.Get("X-TFE-Notification-Signature") != "" {
			return "", hexSignature(r, "X-TFE-Notification-Signature", "", sha512.New, secret, body)
		}
		return "", bearer(r, secret) // Atlantis
	}
	return signedOrToken(r, secret, body, now)
}
