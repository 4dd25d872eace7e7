package callback_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
)

const space = "example.signalwire.com"

// vector is a request that was signed with one of the official libraries, and
// what a validator must say to it.
type vector struct {
	Name        string
	Scheme      string
	Key         string
	Method      string
	URL         string
	SignedURL   string `json:"signed_url"`
	ContentType string `json:"content_type"`
	Body        string
	Header      string
	Signature   string
	Valid       bool
}

func vectors(t testing.TB) []vector {
	t.Helper()
	b, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatalf("testdata/vectors.json: %v", err)
	}
	if len(file.Vectors) == 0 {
		t.Fatal("testdata/vectors.json holds no vectors")
	}
	return file.Vectors
}

func vectorNamed(t testing.TB, name string) vector {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("testdata/vectors.json holds no vector %q", name)
	return vector{}
}

// base is the scheme and host of the URL that the request reached.
func (v vector) base(t testing.TB) string {
	t.Helper()
	u, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u.Scheme + "://" + u.Host
}

// request is what came in, not decoded yet.
func (v vector) request(t testing.TB) *callback.Request {
	t.Helper()
	return &callback.Request{
		Method:      v.Method,
		Target:      strings.TrimPrefix(v.URL, v.base(t)),
		ContentType: v.ContentType,
		Header:      http.Header{http.CanonicalHeaderKey(v.Header): {v.Signature}},
		Body:        []byte(v.Body),
	}
}

func TestVerifyAgreesWithTheOfficialLibraries(t *testing.T) {
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			r := v.request(t)
			if err := r.Decode(); err != nil {
				t.Fatalf("Decode() = %v, want no error", err)
			}
			err := callback.NewVerifier(v.base(t), []string{v.Key}).Verify(r)
			if (err == nil) != v.Valid {
				t.Fatalf("Verify() = %v, want valid %t", err, v.Valid)
			}
			if !strings.HasPrefix(v.Name, "ambiguity") {
				return
			}
			if cb, err := r.Parse(space, time.Now()); err == nil {
				t.Errorf("Parse() = %+v, want an error: its names are not what was signed", cb)
			}
		})
	}
}

func TestSignAgreesWithTheOfficialLibraries(t *testing.T) {
	for _, v := range vectors(t) {
		if v.Scheme != "form-sha1-base64" || !v.Valid {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			header, signature, err := callback.Sign(v.Key, v.SignedURL, v.Body)
			if err != nil || header != "X-Signalwire-Signature" || signature != v.Signature {
				t.Errorf("Sign() = %q, %q, %v, want X-Signalwire-Signature, %q, no error",
					header, signature, err, v.Signature)
			}
		})
	}
}
