package store_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

// attached returns a delivery that is to have a recording with it, and a link.
func attached(state store.State) *store.Delivery {
	d := aDelivery("email", state)
	d.Link = &store.Link{Token: store.NewToken(), TTL: time.Hour}
	d.Attach = store.Attachment{Format: "mp3", MaxBytes: 10_000_000, Link: "https://hooks.example.com/r/" + d.Link.Token}
	return d
}

func TestADeliveryIsClaimedAndReadWithWhatIsToGoWithIt(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		with, without := attached(store.Queued), aDelivery("email", store.Queued)
		route(t, s, "RE1", threeDays, with, without)
		claimed := claim(t, s, "email", 9)
		checkIDs(t, "Claim()", idsOf(claimed), with.ID, without.ID)
		check(t, "what goes with the first", claimed[0].Attach, with.Attach)
		check(t, "what goes with the second", claimed[1].Attach, store.Attachment{})
		check(t, "the first, read", read(t, s, with.ID).Attach, with.Attach)
		check(t, "the second, read", read(t, s, without.ID).Attach, store.Attachment{})
	})
}

func TestWhatCameOfAnAttachmentIsKept(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		sent, left, retried := attached(store.Sending), attached(store.Sending), attached(store.Sending)
		plain := aDelivery("email", store.Sending)
		route(t, s, "RE1", threeDays, sent, left, retried, plain)
		var finishing sync.WaitGroup // together, as far as may be
		for d, o := range map[*store.Delivery]store.Outcome{
			sent:    {State: store.Delivered, Attached: 4_200_000},
			left:    {State: store.Delivered, LeftOut: "it is too\x00 large"},
			retried: {State: store.Retrying, Err: "not there yet", NextAttemptAt: s.Now()},
			plain:   {State: store.Delivered},
		} {
			finishing.Go(func() { finish(t, s, d, o) })
		}
		finishing.Wait()
		for d, want := range map[*store.Delivery]store.Attachment{
			sent:    {Bytes: 4_200_000},
			left:    {LeftOut: "it is too large"},
			retried: {},
			plain:   {},
		} {
			if d != plain {
				want.Format, want.MaxBytes, want.Link = d.Attach.Format, d.Attach.MaxBytes, d.Attach.Link
			}
			got := read(t, s, d.ID)
			check(t, "what came of it", got.Attach, want)
			if got.Attempts != 1 {
				t.Errorf("delivery %d has %d attempts, want its outcome recorded", d.ID, got.Attempts)
			}
		}
	})
}

func TestWhatIsSentOnHasTheRecordingWithItToo(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		d := attached(store.Sending)
		route(t, s, "RE1", threeDays, d)
		finish(t, s, d, store.Outcome{State: store.Delivered, LeftOut: "it is too large"})
		id, err := s.Forward(t.Context(), d.ID, "bob@example.com", "kim", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, s, id).Attach
		own := link(t, s, id).Token
		if own == d.Link.Token || !strings.HasSuffix(got.Link, "/r/"+own) {
			t.Errorf("the link of what is sent on is not its own")
		}
		got.Link = d.Attach.Link
		check(t, "what goes with it", got, d.Attach)
	})
}

func TestRemoveForgetsAttachments(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		for range 2 { // what follows may be given the same ids
			d := attached(store.Dead)
			d.LastError = "no such contact"
			route(t, s, "RE1", threeDays, d)
			bury(t, s)
			remove(t, s, s.Now(), 1)
			plain := aDelivery("email", store.Dead)
			route(t, s, "RE2", threeDays, plain)
			check(t, "what goes with another", read(t, s, plain.ID).Attach, store.Attachment{})
			bury(t, s)
			remove(t, s, s.Now(), 1)
		}
	})
}
