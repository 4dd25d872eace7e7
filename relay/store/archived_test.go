package store_test

import (
	"slices"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestArchivedTellsWhereARecordingIsKept(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		copyTo := func(channel, path string) *store.Delivery {
			d := aDelivery(channel, store.Queued)
			d.Kind, d.To, d.Subject, d.HTML = "archive", path, "", ""
			return d
		}
		end := func(channel string, state store.State, id string) {
			t.Helper()
			for _, d := range claim(t, s, channel, 9) {
				finish(t, s, d, store.Outcome{State: state, ProviderID: id})
			}
		}
		route(t, s, "RE1", threeDays, copyTo("first", "1.mp3"), copyTo("second", "2.mp3"), copyTo("third", "3.mp3"), aDelivery("email", store.Queued))
		route(t, s, "RE2", threeDays, copyTo("other", "4.mp3"))
		account := aCallback("RE1").AccountSid
		archived := func(account, recording string) []store.Copy {
			t.Helper()
			found, err := s.Archived(t.Context(), account, recording)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		if got := archived(account, "RE1"); len(got) != 0 {
			t.Errorf("before anything is kept: Archived = %+v, want nothing", got)
		}
		end("first", store.Delivered, "sha256:1")
		end("second", store.Delivered, "sha256:2")
		end("third", store.Dead, "")
		end("email", store.Delivered, "x")
		end("other", store.Delivered, "sha256:4")
		got := archived(account, "RE1")
		if len(got) != 2 || got[0].Channel != "second" || got[0].Path != "2.mp3" || got[0].Checksum != "sha256:2" || got[1].Channel != "first" {
			t.Errorf("Archived = %+v, want that in second, then that in first", got)
		}
		for _, recording := range []string{"RE1", "RE2"} {
			callbacks, err := s.Callbacks(t.Context(), store.Filter{Recording: recording, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			if found, err := s.ArchivedFor(t.Context(), callbacks[0].ID); err != nil || !slices.Equal(found, archived(account, recording)) {
				t.Errorf("ArchivedFor the callback of %s = %+v, %v; want the same", recording, found, err)
			}
		}
		// The same id may be another account's.
		if _, err := s.Add(t.Context(), &callback.Callback{AccountSid: "another", RecordingSid: "RE1", RecordingStatus: "completed"}); err != nil {
			t.Fatal(err)
		}
		if got := archived("another", "RE1"); len(got) != 0 {
			t.Errorf("of another account: Archived = %+v, want nothing", got)
		}
	})
}

// What an archive did before its process was gone can be found out there.
func TestWhatAnArchiveWasDoingIsNotUncertain(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := aDelivery("archive", store.Sending)
		d.Kind = "archive"
		route(t, s, "RE1", threeDays, d)
		if err := s.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		recoverAll(t, s, 1)
		if got := read(t, s, d.ID); got.State != store.Queued || got.Unsure {
			t.Errorf("recovered it is %s, unsure %v; want it queued, and not unsure", got.State, got.Unsure)
		}
	})
}
