package store_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringpost/relay/store"
)

// linked returns a delivery that was told by email, with a link that lasts for
// so long.
func linked(t testing.TB, s *store.Store, recording string, ttl time.Duration) *store.Delivery {
	t.Helper()
	d := aDelivery("email", store.Queued)
	d.Link = &store.Link{Token: store.NewToken(), TTL: ttl}
	d.Text = "Listen: https://hooks.example.com/r/" + d.Link.Token
	d.HTML = `<a href="https://hooks.example.com/r/` + d.Link.Token + `">Listen</a>`
	route(t, s, recording, threeDays, d, aDelivery("sms", store.Queued))
	return d
}

// link returns the link of a delivery, which must have one.
func link(t testing.TB, s *store.Store, delivery int64) store.Link {
	t.Helper()
	l, err := s.Link(t.Context(), delivery)
	if l == nil || err != nil {
		t.Fatalf("Link(%d) = %v, %v, want one", delivery, l, err)
	}
	return *l
}

// opens fails unless the link with that token opens a recording or, where that
// is empty, nothing.
func opens(t testing.TB, s *store.Store, token, recording string) {
	t.Helper()
	found, err := s.Linked(t.Context(), token)
	switch {
	case recording == "" && !errors.Is(err, store.ErrNotFound):
		t.Errorf("Linked(%q) = %v, %v, want %v", token, found, err, store.ErrNotFound)
	case recording == "" && strings.Contains(err.Error(), token) && token != "":
		t.Errorf("Linked(%q) = %v, want an error without the token", token, err)
	case recording != "" && (err != nil || found[0].RecordingSid != recording):
		t.Errorf("Linked(%q) = %v, %v, want the callbacks of %s", token, found, err, recording)
	}
}

func TestTokensAreShortAndNoTwoAreTheSame(t *testing.T) {
	seen := make(map[string]bool)
	letters := make(map[rune]int)
	for range 20_000 {
		token := store.NewToken()
		if !store.IsToken(token) || len(token) > 12 || seen[token] {
			t.Fatalf("NewToken() = %q, want a new one of at most 12 characters", token)
		}
		seen[token] = true
		for _, l := range token {
			letters[l]++
		}
	}
	for l, n := range letters { // 3548 each on average, with a deviation of 59
		if n < 3100 || n > 4000 {
			t.Errorf("%c is in them %d times: it is not as likely as the others", l, n)
		}
	}
	check(t, "how many letters they are made of", len(letters), 62)
}

func TestWhatIsNoTokenIsNotLookedFor(t *testing.T) {
	for _, s := range []string{"", "short", "012345678901", "0123456789\x00", "0123456789é", "0123456789/", "0123456789.", "0123456789%", "0123456789 "} {
		if store.IsToken(s) {
			t.Errorf("IsToken(%q) = true", s)
		}
	}
}

func TestALinkOpensItsRecordingUntilItExpires(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		long, short := linked(t, s, "RE1", time.Hour), linked(t, s, "RE2", 0)
		opens(t, s, long.Link.Token, "RE1")
		opens(t, s, short.Link.Token, "")
		for _, token := range []string{"", "x", store.NewToken(), long.Link.Token[:10], strings.ToLower(long.Link.Token) + "'", "%", "\x00"} {
			opens(t, s, token, "")
		}
		l := link(t, s, long.ID)
		check(t, "the token", l.Token, long.Link.Token)
		checkTime(t, "expires at", l.ExpiresAt, read(t, s, long.ID).CreatedAt.Add(time.Hour))
		check(t, "opens", l.Opens, 0)
		if !l.RevokedAt.IsZero() || !l.OpenedAt.IsZero() {
			t.Errorf("Link() = %+v, want one that was neither opened nor revoked", l)
		}
		if none, err := s.Link(t.Context(), long.ID+1); none != nil || err != nil { // the SMS beside it
			t.Errorf("Link() of one without = %v, %v, want nil, nil", none, err)
		}
	})
}

func TestALinkOpensAllCallbacksOfItsRecordingNewestFirst(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		began := aCallback("RE1")
		began.RecordingStatus, began.RecordingUrl = "in-progress", ""
		if _, err := s.Add(t.Context(), began); err != nil {
			t.Fatal(err)
		}
		d := linked(t, s, "RE1", time.Hour)
		other := aCallback("RE1")
		other.AccountSid = "AC2"
		if _, err := s.Add(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		found, err := s.Linked(t.Context(), d.Link.Token)
		if err != nil || len(found) != 2 || found[0].RecordingStatus != "completed" || found[1].RecordingStatus != "in-progress" {
			t.Errorf("Linked() = %+v, %v, want the two callbacks of this account's, the newest first", found, err)
		}
	})
}

func TestOpeningIsCounted(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d, other := linked(t, s, "RE1", time.Hour), linked(t, s, "RE2", time.Hour)
		before := s.Now()
		for range 3 {
			if err := s.Opened(t.Context(), d.Link.Token); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Opened(t.Context(), store.NewToken()); err != nil {
			t.Errorf("Opened() of no link = %v, want nil", err)
		}
		l := link(t, s, d.ID)
		check(t, "opens", l.Opens, 3)
		if l.OpenedAt.Before(before.Truncate(time.Microsecond)) || l.OpenedAt.After(s.Now()) {
			t.Errorf("opened at %v, want just now", l.OpenedAt)
		}
		check(t, "opens of the other one", link(t, s, other.ID).Opens, 0)
	})
}

func TestARevokedLinkOpensNothing(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d, other := linked(t, s, "RE1", time.Hour), linked(t, s, "RE2", time.Hour)
		for range 2 { // the second time it is revoked already
			if err := s.Revoke(t.Context(), d.ID, "kim"); err != nil {
				t.Fatalf("Revoke() = %v", err)
			}
		}
		opens(t, s, d.Link.Token, "")
		opens(t, s, other.Link.Token, "RE2")
		if l := link(t, s, d.ID); l.RevokedAt.IsZero() {
			t.Errorf("Link() = %+v, want it revoked", l)
		}
		check(t, "what was done", done(t, s, d.ID), "kim revoked the link")
		if err := s.Revoke(t.Context(), 999, "kim"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Revoke() of no delivery = %v, want %v", err, store.ErrNotFound)
		}
		err := s.Revoke(t.Context(), d.ID+1, "kim")
		if e, ok := errors.AsType[*store.StateError](err); !ok || !strings.Contains(e.Error(), "has no link") {
			t.Errorf("Revoke() of one without a link = %v, want a StateError that says so", err)
		}
	})
}

func TestWhatIsSentOnHasALinkOfItsOwn(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := linked(t, s, "RE1", time.Hour)
		id, err := s.Forward(t.Context(), d.ID, "bob@example.com", "kim", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		l, sent := link(t, s, id), read(t, s, id)
		if l.Token == d.Link.Token || !strings.HasSuffix(sent.Text, "/r/"+l.Token) || !strings.Contains(sent.HTML, "/r/"+l.Token+`"`) {
			t.Errorf("it says %q and %q, want the link of its own", sent.Text, sent.HTML)
		}
		checkTime(t, "expires at", l.ExpiresAt, sent.CreatedAt.Add(time.Hour))
		if err := s.Revoke(t.Context(), d.ID, "kim"); err != nil {
			t.Fatal(err)
		}
		opens(t, s, d.Link.Token, "")
		opens(t, s, l.Token, "RE1")
	})
}

func TestALinkIsForgottenWithItsRecording(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := linked(t, s, "RE1", time.Hour)
		for id := d.ID; id < d.ID+2; id++ {
			if err := s.Cancel(t.Context(), id, "kim"); err != nil {
				t.Fatal(err)
			}
		}
		remove(t, s, s.Now().Add(time.Second), 1)
		opens(t, s, d.Link.Token, "")
		if l, err := s.Link(t.Context(), d.ID); l != nil || err != nil {
			t.Errorf("Link() = %v, %v, want nil, nil: it is forgotten", l, err)
		}
	})
}

// Links are written in the transaction of their deliveries: none is left of what
// was not stored.
func TestALinkIsStoredWithItsDeliveryOrNotAtAll(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		first := linked(t, s, "RE1", time.Hour)
		add(t, s, "RE2")
		again := aDelivery("email", store.Queued)
		again.Link = &store.Link{Token: first.Link.Token, TTL: time.Hour} // as never happens by chance
		_, err := s.Route(t.Context(), 9, threeDays, 0, func(store.Stored) []*store.Delivery { return []*store.Delivery{again} })
		if err == nil {
			t.Fatal("Route() with a token that is taken = nil, want an error")
		}
		if n := len(unrouted(t, s, 9)); n != 1 {
			t.Errorf("%d callbacks wait, want 1: nothing of it was stored", n)
		}
		again.Link.Token = store.NewToken()
		routed, err := s.Route(t.Context(), 9, threeDays, 0, func(store.Stored) []*store.Delivery { return []*store.Delivery{again} })
		if err != nil || len(routed) != 1 {
			t.Fatalf("Route() = %v, %v, want the one", routed, err)
		}
		opens(t, s, again.Link.Token, "RE2")
	})
}

// BenchmarkRouteWithLinks is BenchmarkRouteInBatchesOf200 where each message has
// a link.
func BenchmarkRouteWithLinks(b *testing.B) {
	each(b, func(b *testing.B, s *store.Store) {
		made := 0
		for b.Loop() {
			b.StopTimer()
			addMany(b, s, made, 200)
			made += 200
			b.StartTimer()
			_, err := s.Route(b.Context(), 200, threeDays, 0, func(store.Stored) []*store.Delivery {
				d := aDelivery("email", store.Sending)
				d.Link = &store.Link{Token: store.NewToken(), TTL: time.Hour}
				return []*store.Delivery{d}
			})
			if err != nil {
				b.Fatal(fmt.Errorf("Route: %w", err))
			}
		}
		b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "callbacks/s")
	})
}
