package store_test

import (
	"testing"
	"time"

	"ringpost/relay/store"
)

// TestTextThatTheDatabaseDoesNotStoreBlocksNoDelivery has the character 0 and bytes
// that are no UTF-8 in what templates and servers say.
func TestTextThatTheDatabaseDoesNotStoreBlocksNoDelivery(t *testing.T) {
	const odd, clean = "a\x00b\xffc", "ab\uFFFDc"
	promise(t, func(t *testing.T, s *store.Store) {
		d := aDelivery("email", store.Sending)
		d.Subject, d.Text, d.HTML = odd, odd, odd
		dead := aDelivery("email", store.Dead)
		dead.LastError = odd
		route(t, s, "RE1", threeDays, d, dead)
		check(t, "what will be sent", d.Subject+d.Text+d.HTML, clean+clean+clean)
		check(t, "last error", read(t, s, dead.ID).LastError, clean)
		finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Retrying, Err: odd, ProviderID: odd, NextAttemptAt: time.Now()})
		got := read(t, s, d.ID)
		check(t, "subject and text", got.Subject+got.Text+got.HTML, clean+clean+clean)
		check(t, "last error", got.LastError, clean)
		check(t, "provider id", got.ProviderID, clean)
		claim(t, s, "email", 1)
		if err := s.Release(t.Context(), []int64{d.ID}, odd); err != nil {
			t.Errorf("Release() = %v", err)
		}
		check(t, "last error", read(t, s, d.ID).LastError, clean)
		if _, err := s.Expire(t.Context(), "email", odd); err != nil {
			t.Errorf("Expire() = %v", err)
		}
	})
}
