package callback_test

import (
	"testing"
	"time"

	"ringpost/relay/callback"
)

// BenchmarkReceive is what the intake does for every callback before it stores
// it: decode, verify and parse a plain completed one.
func BenchmarkReceive(b *testing.B) {
	plain := vectorNamed(b, "form: plain completed callback")
	verifier := callback.NewVerifier(plain.base(b), []string{plain.Key})
	signed := plain.request(b)
	now := time.Now()
	b.ReportAllocs()
	b.SetBytes(int64(len(signed.Body)))
	for b.Loop() {
		r := *signed
		if err := r.Decode(); err != nil {
			b.Fatalf("Decode() = %v, want no error", err)
		}
		if err := verifier.Verify(&r); err != nil {
			b.Fatalf("Verify() = %v, want no error", err)
		}
		if _, err := r.Parse(space, now); err != nil {
			b.Fatalf("Parse() = %v, want no error", err)
		}
	}
}
