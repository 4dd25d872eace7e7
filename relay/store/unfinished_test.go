package store_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// tell stores callbacks, each said as RECORDING STATUS MINUTES: how many minutes
// after the beginning it was received.
func tell(t *testing.T, s *store.Store, begin time.Time, said ...string) {
	t.Helper()
	for _, one := range said {
		words := strings.Fields(one)
		minutes, err := strconv.Atoi(words[2])
		if err != nil {
			t.Fatal(err)
		}
		cb := aCallback(words[0])
		cb.RecordingStatus, cb.ReceivedAt = words[1], begin.Add(time.Duration(minutes)*time.Minute)
		if stored, err := s.Add(t.Context(), cb); err != nil || !stored {
			t.Fatalf("Add(%s) = %v, %v; want it stored", one, stored, err)
		}
	}
}

func recordingsOf(list []store.Stored) (recordings []string) {
	for _, cb := range list {
		recordings = append(recordings, cb.RecordingSid)
	}
	return recordings
}

func TestUnfinishedAreThoseOfWhichNothingMoreIsKnown(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		at := s.Now().Add(-24 * time.Hour).Truncate(time.Minute)
		tell(t, s, at, "RE0 in-progress 0", "RE1 in-progress 1", "RE2 in-progress 2", "RE2 completed 3", "RE3 in-progress 3",
			"RE3 absent 4", "RE4 in-progress 4", "RE4 failed 5", "RE5 in-progress 5", "RE5 missing 6", "RE6 in-progress 6",
			"RE6 undelivered 7", "RE7 completed 7", "RE8 in-progress 8", "RE9 in-progress 8", "RE10 in-progress 9")
		since, until := at.Add(30*time.Second), at.Add(8*time.Minute+30*time.Second) // two clocks differ
		var got []string
		for after := int64(0); ; {
			list, err := s.Unfinished(t.Context(), since, after, until, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			got = append(got, recordingsOf(list)...)
			last := list[len(list)-1]
			since, after = last.ReceivedAt, last.ID
		}
		if want := []string{"RE1", "RE6", "RE8", "RE9"}; !slices.Equal(got, want) {
			t.Errorf("Unfinished(), two at a time = %v, want %v", got, want)
		}
	})
}

func TestOfFindsAllThatWasReceivedOfRecordings(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		tell(t, s, s.Now(), "RE1 in-progress 0", "RE1 completed 1", "RE2 absent 0", "RE3 completed 0")
		list, err := s.Of(t.Context(), []string{"RE1", "RE3", "RE4", `RE"2`, "RE2,RE3"})
		got := recordingsOf(list)
		slices.Sort(got)
		if want := []string{"RE1", "RE1", "RE3"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("Of() = %v, %v; want %v", got, err, want)
		}
		if list, err := s.Of(t.Context(), nil); err != nil || len(list) != 0 {
			t.Errorf("Of() of no recordings = %v, %v; want none", list, err)
		}
	})
}

func TestWhatIsLateStaysLate(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		late, inTime := aCallback("RE1"), aCallback("RE2")
		late.Late = true
		for _, cb := range []*callback.Callback{late, inTime} {
			if stored, err := s.Add(t.Context(), cb); err != nil || !stored {
				t.Fatalf("Add() = %v, %v", stored, err)
			}
		}
		check := func(what string, list []store.Stored, err error) {
			t.Helper()
			if err != nil || len(list) != 2 || list[0].Late == list[1].Late {
				t.Fatalf("%s: %+v, %v; want two", what, list, err)
			}
			for _, cb := range list {
				if cb.Late != (cb.RecordingSid == "RE1") {
					t.Errorf("%s: callback of %s: Late = %v", what, cb.RecordingSid, cb.Late)
				}
			}
		}
		var routed []store.Stored
		_, err := s.Route(t.Context(), 9, threeDays, 0, func(cb store.Stored) []*store.Delivery {
			routed = append(routed, cb)
			return nil
		})
		check("Route()", routed, err)
		list, err := s.Callbacks(t.Context(), store.Filter{Limit: 9})
		check("Callbacks()", list, err)
		if stored, err := s.Add(t.Context(), aCallback("RE1")); err != nil || stored {
			t.Errorf("Add() of what was found late = %v, %v; want that it is a repeat", stored, err)
		}
	})
}
