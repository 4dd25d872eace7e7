package store_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

func book(t testing.TB, s *store.Store, channel string, every time.Duration) time.Time {
	t.Helper()
	at, err := s.Book(t.Context(), channel, every)
	if err != nil {
		t.Fatalf("Book(%s, %v) = %v", channel, every, err)
	}
	return at
}

// bookAtOnce books from many goroutines, over all of the stores, and expects
// times with the interval between them.
func bookAtOnce(t *testing.T, stores ...*store.Store) {
	t.Helper()
	const every = 250 * time.Millisecond
	before := stores[0].Now().Add(-10 * time.Millisecond)
	times := make([]time.Time, 24)
	var booking sync.WaitGroup
	for i := range times {
		booking.Go(func() { times[i] = book(t, stores[i%len(stores)], "sms", every) })
	}
	booking.Wait()
	slices.SortFunc(times, time.Time.Compare)
	if times[0].Before(before) || times[0].Sub(before) > 10*time.Second {
		t.Errorf("the first time is %v, want now (%v)", times[0], before)
	}
	for i := 1; i < len(times); i++ {
		if gap := times[i].Sub(times[i-1]); gap < every {
			t.Errorf("%v between two times, want %v or more", gap, every)
		}
	}
}

func TestBookSpacesTimes(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) { bookAtOnce(t, s) })
}

func TestNodesShareARate(t *testing.T) {
	url := storetest.Postgres(t)
	bookAtOnce(t, openAt(t, url), openAt(t, url))
}

func TestBookKeepsChannelsApart(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		book(t, s, "sms", time.Hour)
		if wait := book(t, s, "fax", time.Hour).Sub(s.Now()); wait > 0 {
			t.Errorf("the first time of another channel is in %v, want now", wait)
		}
	})
}

func TestBookSavesNoTimesUp(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		const every = time.Millisecond
		book(t, s, "sms", every)
		<-time.After(20 * every)
		now := s.Now()
		if at := book(t, s, "sms", every); at.Before(now.Truncate(time.Microsecond)) {
			t.Errorf("Book() after a pause = %v before now, want now or later", now.Sub(at))
		}
	})
}

// TestAClockThatWasSetBackDoesNotSilenceAChannel finds a booking an hour ahead,
// which a rate of a thousand a second does not make.
func TestAClockThatWasSetBackDoesNotSilenceAChannel(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		book(t, s, "sms", time.Hour)
		for range 3 {
			if wait := book(t, s, "sms", time.Millisecond).Sub(s.Now()); wait > time.Second {
				t.Errorf("Book() = in %v, want now", wait)
			}
		}
	})
}
