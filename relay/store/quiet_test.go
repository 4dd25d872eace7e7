package store_test

import (
	"fmt"
	"testing"
	"time"

	"ringpost/relay/quiet"
	"ringpost/relay/store"
)

// quietFor returns quiet hours that began an hour before the store's time and
// last for so long from now, to the minute.
func quietFor(t testing.TB, s *store.Store, d time.Duration) (hours quiet.Hours, end time.Time) {
	t.Helper()
	now := s.Now()
	end = now.Add(d).Truncate(time.Minute)
	hours, err := quiet.Parse(now.Add(-time.Hour).Format("15:04") + "-" + end.Format("15:04") + " UTC")
	if err != nil {
		t.Fatal(err)
	}
	return hours, end
}

// hushed returns a delivery that has quiet hours.
func hushed(state store.State, hours quiet.Hours) *store.Delivery {
	d := aDelivery("email", state)
	d.Quiet = hours
	return d
}

// loud are quiet hours that are not now.
func loud(s *store.Store) quiet.Hours {
	now := s.Now()
	return quiet.Hours(now.Add(10*time.Hour).Format("15:04") + "-" + now.Add(11*time.Hour).Format("15:04") + " UTC")
}

func TestADeliveryMadeInQuietHoursIsDueAtTheirEnd(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, end := quietFor(t, s, 3*time.Hour)
		held, free, plain := hushed(store.Queued, hours), hushed(store.Queued, loud(s)), aDelivery("email", store.Queued)
		route(t, s, "RE1", threeDays, held, free, plain)
		got := read(t, s, held.ID)
		if got.Quiet != hours || !got.NextAttemptAt.Equal(end) || !got.GiveUpAt.Equal(end.Add(threeDays)) {
			t.Errorf("the delivery is %+v, want it due at %v, with three days from then", got, end)
		}
		if got := claim(t, s, "email", 9); len(got) != 2 || got[0].ID != free.ID || got[1].ID != plain.ID || got[0].Quiet != loud(s) {
			t.Errorf("Claim() = %+v, want the two that may be sent", got)
		}
		if due, err := s.NextDue(t.Context(), "email"); !due.Equal(end) || err != nil {
			t.Errorf("NextDue() = %v, %v, want %v", due, err, end)
		}
	})
}

// TestAnAttemptThatBecomesDueInQuietHoursIsPutOff has deliveries that became due
// in every way there is.
func TestAnAttemptThatBecomesDueInQuietHoursIsPutOff(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, end := quietFor(t, s, 3*time.Hour)
		retried, released, recovered := hushed(store.Sending, hours), hushed(store.Sending, hours), hushed(store.Sending, hours)
		route(t, s, "RE1", threeDays, retried, released, recovered)
		finish(t, s, retried, store.Outcome{StartedAt: time.Now(), State: store.Retrying, Err: "busy", NextAttemptAt: s.Now().Add(-time.Second)})
		if err := s.Release(t.Context(), []int64{released.ID}, "channel is down"); err != nil {
			t.Fatal(err)
		}
		recoverAll(t, s, 1)
		if err := s.Rewind(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		if got := claim(t, s, "email", 9); len(got) != 0 {
			t.Errorf("Claim() = %+v in quiet hours, want nothing", got)
		}
		for d, want := range map[*store.Delivery]store.Delivery{
			retried:   {State: store.Retrying, Attempts: 1, LastError: "busy"},
			released:  {State: store.Queued, LastError: "channel is down"},
			recovered: {State: store.Queued, Unsure: true, LastError: "the process ended while this may have been on its way"},
		} {
			got := read(t, s, d.ID)
			if got.State != want.State || got.Attempts != want.Attempts || got.LastError != want.LastError || got.Unsure != want.Unsure ||
				!got.NextAttemptAt.Equal(end) || got.Quiet != hours {
				t.Errorf("delivery = %+v, want it as it was, until %v", got, end)
			}
		}
	})
}

func TestManyInQuietHoursDoNotKeepOthersFromBeingClaimed(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, end := quietFor(t, s, 3*time.Hour)
		var all []*store.Delivery
		for i := range 600 {
			d := hushed(store.Sending, hours)
			d.To = fmt.Sprintf("user%d@example.com", i)
			all = append(all, d)
		}
		route(t, s, "RE1", threeDays, all...)
		recoverAll(t, s, 600)
		if err := s.Rewind(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		plain := aDelivery("email", store.Queued)
		route(t, s, "RE2", threeDays, plain)
		if got := claim(t, s, "email", 1); len(got) != 1 || got[0].ID != plain.ID {
			t.Errorf("Claim() = %+v, want the one that may be sent", got)
		}
		if due, err := s.NextDue(t.Context(), "email"); !due.Equal(end) || err != nil {
			t.Errorf("NextDue() = %v, %v, want all others at %v", due, err, end)
		}
	})
}

func TestAPersonsRetryOverridesQuietHours(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, _ := quietFor(t, s, 3*time.Hour)
		one, other := hushed(store.Queued, hours), hushed(store.Queued, hours)
		other.Channel = "other"
		route(t, s, "RE1", threeDays, one, other)
		if err := s.Retry(t.Context(), one.ID, "kim", threeDays); err != nil {
			t.Fatal(err)
		}
		if n, err := s.RetryAll(t.Context(), store.Filter{Channel: "other", State: store.Queued}, "kim", threeDays); n != 1 || err != nil {
			t.Fatalf("RetryAll() = %d, %v, want 1", n, err)
		}
		for channel, d := range map[string]*store.Delivery{"email": one, "other": other} {
			if got := claim(t, s, channel, 9); len(got) != 1 || got[0].ID != d.ID || got[0].Quiet != "" {
				t.Errorf("Claim() = %+v, want the one that was retried", got)
			}
		}
	})
}

func TestALeasedDeliveryIsPutOffOnlyByItsOwner(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, end := quietFor(t, s, 3*time.Hour)
		mine, others := hushed(store.Sending, hours), hushed(store.Sending, hours)
		route(t, s, "RE1", threeDays, others)
		if err := s.Abandon(t.Context()); err != nil {
			t.Fatal(err)
		}
		route(t, s, "RE2", threeDays, mine)
		for _, d := range []*store.Delivery{mine, others} {
			if err := s.PutOff(t.Context(), d.ID, end); err != nil {
				t.Fatal(err)
			}
		}
		if got := read(t, s, mine.ID); got.State != store.Queued || got.Attempts != 0 || !got.NextAttemptAt.Equal(end) {
			t.Errorf("PutOff() leaves %+v, want it queued until %v", got, end)
		}
		if got := read(t, s, others.ID); got.State != store.Sending {
			t.Errorf("PutOff() of another process's delivery leaves %+v, want it as it was", got)
		}
	})
}

func TestWhatWaitsForTheEndOfQuietHoursIsNotGivenUpMeanwhile(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours, end := quietFor(t, s, 3*time.Hour)
		held, plain := hushed(store.Sending, hours), aDelivery("email", store.Sending)
		route(t, s, "RE1", -6*time.Hour, held, plain) // their time is over
		for _, d := range []*store.Delivery{held, plain} {
			finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Retrying, NextAttemptAt: end})
		}
		if n, err := s.Expire(t.Context(), "email", "down"); n != 1 || err != nil {
			t.Fatalf("Expire() = %d, %v, want 1", n, err)
		}
		if got := read(t, s, held.ID).State; got != store.Retrying {
			t.Errorf("the delivery that waits is %s, want retrying", got)
		}
	})
}

func TestAFinishedDeliveryHasNoQuietHoursAndIsForgottenWithThem(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		hours := loud(s)
		d, dead := hushed(store.Sending, hours), hushed(store.Dead, hours)
		route(t, s, "RE1", threeDays, d, dead)
		finish(t, s, d, store.Outcome{StartedAt: time.Now(), State: store.Delivered})
		for _, one := range []*store.Delivery{d, dead} {
			if got := read(t, s, one.ID).Quiet; got != "" {
				t.Errorf("a delivery that is %s has the quiet hours %q, want none", one.State, got)
			}
		}
		bury(t, s)
		if n, err := s.Remove(t.Context(), s.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Fatalf("Remove() = %d, %v, want 1", n, err)
		}
		if n, err := s.CountQuietHours(t.Context()); n != 0 || err != nil {
			t.Errorf("%d quiet hours are left, %v, want none", n, err)
		}
	})
}
