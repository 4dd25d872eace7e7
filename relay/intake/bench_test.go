package intake_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/intake"
)

// discard is a response that is only looked at for its status.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(status int)      { d.status = status }

// body is a request's body that can be read again.
type body struct{ strings.Reader }

func (*body) Close() error { return nil }

// BenchmarkServeHTTP is a whole request but for the network and the store.
func BenchmarkServeHTTP(b *testing.B) {
	senders := intake.Senders{Verifier: callback.NewVerifier(publicURL, []string{signKey}), Space: space}
	store := storeFunc(func(context.Context) (bool, error) { return true, nil })
	in := intake.New(senders, store, func(string, intake.Result) {}, slog.New(slog.DiscardHandler))

	r := request(b, http.MethodPost, "", callback.Path, formType, formBody)
	r.RequestURI = callback.Path
	again := new(body)
	r.Body = again
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	b.SetBytes(int64(len(formBody)))
	for b.Loop() {
		again.Reset(formBody)
		if in.ServeHTTP(w, r); w.status != http.StatusOK {
			b.Fatalf("ServeHTTP() = %d, want 200", w.status)
		}
	}
}
