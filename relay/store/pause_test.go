package store_test

import (
	"fmt"
	"testing"
	"time"

	"ringpost/relay/store"
)

// paused puts the pauses there are into words.
func paused(t *testing.T, s *store.Store) (words string) {
	t.Helper()
	found, err := s.Paused(t.Context())
	if err != nil {
		t.Fatalf("Paused() = %v", err)
	}
	for _, p := range found {
		words += fmt.Sprintf("%s by %s; ", p.Channel, p.By)
		if ago := s.Now().Sub(p.At); ago < 0 || ago > time.Minute {
			t.Errorf("%s is paused since %v ago, want just now", p.Channel, ago)
		}
	}
	return words
}

func TestAPauseLastsUntilItIsEnded(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		ctx := t.Context()
		do := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s = %v", what, err)
			}
		}
		check(t, "paused", paused(t, s), "")
		do("Pause(sms)", s.Pause(ctx, "sms", "kim"))
		do("Pause(email)", s.Pause(ctx, "email", "lee"))
		do("Pause(sms) again", s.Pause(ctx, "sms", "lee"))
		check(t, "paused", paused(t, s), "email by lee; sms by kim; ")
		do("Resume(sms)", s.Resume(ctx, "sms", "kim"))
		do("Resume(sms) again", s.Resume(ctx, "sms", "kim"))
		check(t, "paused", paused(t, s), "email by lee; ")
	})
}

func TestAPauseOutlivesItsProcess(t *testing.T) {
	file := t.TempDir() + "/ringpost.db"
	s := openFile(t, file)
	if err := s.Pause(t.Context(), "sms", "kim"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	found, err := openFile(t, file).Paused(t.Context())
	if err != nil || len(found) != 1 || found[0].Channel != "sms" {
		t.Errorf("Paused() = %v, %v, want that of sms", found, err)
	}
}
