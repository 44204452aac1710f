package account

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/evenkeel/evenkeel/act"
)

// The cost of argon2id: OWASP's second recommendation, which leaves room for several
// people signing in at once on a small machine.
const (
	passes  = 2
	memory  = 19 * 1024 // KiB
	threads = 1
	keyLen  = 32
)

const (
	minPassword = 10
	maxPassword = 1024
)

func hashPassword(password string) (string, error) {
	if n := len(password); n < minPassword || n > maxPassword {
		return "", &act.InvalidError{Field: "password", Want: fmt.Sprintf("between %d and %d characters", minPassword, maxPassword)}
	}
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("cannot hash a password: %w", err)
	}
	key := argon2.IDKey([]byte(password), salt, passes, memory, threads, keyLen)
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, memory, passes, threads, enc.EncodeToString(salt), enc.EncodeToString(key)), nil
}

// checkPassword takes the same time whatever is wrong; an empty stored hash is compared
// with nothing that exists.
func checkPassword(stored, password string) bool {
	if len(password) > maxPassword {
		return false
	}
	var m, t uint32 = memory, passes
	var p uint8 = threads
	salt, want := make([]byte, 16), make([]byte, keyLen)
	known := false
	if parts := strings.Split(stored, "$"); len(parts) == 6 && parts[1] == "argon2id" {
		var v int
		_, e1 := fmt.Sscanf(parts[2], "v=%d", &v)
		_, e2 := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &m, &t, &p)
		s, e3 := base64.RawStdEncoding.DecodeString(parts[4])
		w, e4 := base64.RawStdEncoding.DecodeString(parts[5])
		if e1 == nil && e2 == nil && e3 == nil && e4 == nil && v == argon2.Version && len(w) == keyLen {
			salt, want, known = s, w, true
		}
	}
	got := argon2.IDKey([]byte(password), salt, t, m, p, keyLen)
	return subtle.ConstantTimeCompare(got, want) == 1 && known
}
