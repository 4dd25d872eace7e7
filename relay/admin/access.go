package admin

import (
	"crypto/sha256"
	"net"
	"net/http"
	"strings"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// User may use the admin listener.
type User struct {
	Name         string
	PasswordHash string // bcrypt
}

// access decides who may use the admin listener.
type access struct {
	users  map[string]string // name to bcrypt hash
	absent string            // one of those hashes, compared with where there is no such user

	// bcrypt takes its tenth of a second on purpose. Passwords that were right
	// are remembered by their digest, so that a page with many requests is not
	// slow; wrong ones are checked one at a time, which bounds guessing.
	mu      sync.Mutex
	trusted map[[sha256.Size]byte]bool
}

func newAccess(users []User) *access {
	a := &access{users: make(map[string]string), trusted: make(map[[sha256.Size]byte]bool)}
	for _, u := range users {
		a.users[u.Name] = u.PasswordHash
		// Whether a name exists must not show in how long the answer takes.
		a.absent = u.PasswordHash
	}
	return a
}

// guard lets only users pass to next. Where there are none, it lets only
// requests pass that name this machine, so that no web page can reach the
// listener under a host name of its own (DNS rebinding).
func (a *access) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if len(a.users) == 0 {
			if !isLoopback(r.Host) {
				http.Error(w, "without [[admin.user]] this listener answers to localhost only", http.StatusForbidden)
				return
			}
		} else if name, password, ok := r.BasicAuth(); !ok || !a.allowed(name, password) {
			w.Header().Set("WWW-Authenticate", `Basic realm="Ringpost", charset="UTF-8"`)
			http.Error(w, "user name and password required", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asker names who sends a request that guard has let pass.
func (a *access) asker(r *http.Request) string {
	if name, _, ok := r.BasicAuth(); ok && len(a.users) > 0 {
		return name
	}
	return "admin"
}

func (a *access) allowed(name, password string) bool {
	digest := sha256.Sum256([]byte(name + "\x00" + password))
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.trusted[digest] {
		return true
	}
	hash, known := a.users[name]
	if !known {
		hash = a.absent
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil || !known {
		return false
	}
	a.trusted[digest] = true
	return true
}

func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
