package catchup_test

import (
	"context"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/catchup"
	"ringpost/relay/peers"
	"ringpost/relay/store"
)

// lookForMissing looks once for what is missing, after a first look that leaves
// alone what began more than two days ago.
func (w *world) lookForMissing(c catchup.Config) {
	w.t.Helper()
	first := c
	first.MissingAfter = 48 * time.Hour
	w.look(w.watch(first))
	w.look(w.watch(c))
}

func TestARecordingThatBeganAndNeverEndedIsMissingOnce(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.post("RE1", "in-progress", 5*time.Hour)
		w.post("RE2", "in-progress", 3*time.Hour)
		w.post("RE3", "in-progress", 5*time.Hour)
		w.post("RE3", "completed", 4*time.Hour)
		w.post("RE4", "in-progress", 5*time.Hour)
		w.post("RE4", "absent", 4*time.Hour)
		w.post("RE5", "in-progress", 49*time.Hour)
		begun := w.received()
		c := w.config()
		c.Client = nil
		w.lookForMissing(c)
		w.want("after a look", append(begun, "RE1 missing")...)
		w.look(w.watch(c))
		w.want("after another look", append(begun, "RE1 missing")...)
		c.MissingAfter = 2 * time.Hour
		w.look(w.watch(c))
		w.want("after less time is given", append(begun, "RE1 missing", "RE2 missing")...)
		c.MissingAfter = 0
		w.post("RE6", "in-progress", 5*time.Hour)
		w.look(w.watch(c))
		w.want("turned off", append(begun, "RE1 missing", "RE2 missing", "RE6 in-progress")...)
		if !w.post("RE1", "completed", 0) {
			t.Error("the callback of a recording that was missing is taken for a repeat: want it stored")
		}
	})
}

func TestAMissingOnesCallbackHoldsWhatIsKnown(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.post("RE1", "in-progress", 5*time.Hour)
		w.lookForMissing(w.config()) // the provider knows of no such recording
		list, err := w.store.Of(t.Context(), []string{"RE1"})
		if err != nil || len(list) != 2 {
			t.Fatalf("Of(RE1) = %v, %v; want two callbacks", list, err)
		}
		began, missing := list[0], list[1]
		if began.RecordingStatus != callback.InProgress {
			began, missing = missing, began
		}
		if missing.RecordingStatus != callback.Missing || missing.Query["agent"] != "alice" || missing.CallSid != "CA1" ||
			missing.RecordingSource != "DialVerb" || missing.AccountSid != "AC1" || missing.Late {
			t.Errorf("the callback is %+v, want what is in %+v", *missing.Callback, *began.Callback)
		}
		if got, want := missing.Fields["InProgressSince"], began.ReceivedAt.Format(time.RFC3339); got != want {
			t.Errorf("it says that the beginning was told at %q, want %q", got, want)
		}
		if age := w.store.Now().Sub(missing.ReceivedAt); age < 0 || age > time.Minute {
			t.Errorf("it was received %v ago, want when it was found out", age)
		}
	})
}

func TestTheProviderIsAskedBeforeARecordingIsMissing(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		for _, one := range []string{"RE1", "RE2", "RE3", "RE4"} {
			w.post(one, "in-progress", 5*time.Hour)
		}
		began := w.now().Add(-5 * time.Hour)
		goesOn := peers.Recording{Sid: "RE2", Status: "in-progress", Began: began}
		w.api.List(goesOn, peers.Recording{Sid: "RE1", Status: "completed", Length: time.Hour, Began: began},
			peers.Recording{Sid: "RE3", Status: "absent", Began: began})
		begun := w.received()
		c := w.config()
		c.Every = 0 // the listing would find them first
		w.lookForMissing(c)
		want := append(begun, "RE1 completed late", "RE3 absent late", "RE4 missing")
		w.want("after a look", want...)
		w.look(w.watch(c))
		w.want("while it goes on", want...)
		goesOn.Status, goesOn.Length = "completed", w.now().Sub(began)-time.Minute
		w.api.List(goesOn)
		w.look(w.watch(c))
		w.want("just after its end", want...)
		w.ahead.Add(int64(2 * time.Minute))
		w.look(w.watch(c))
		w.want("after its end", append(want, "RE2 completed late")...)
	})
}

func TestALookThroughTheListComesBeforeWhatIsMissing(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		described := 0
		h := peers.Hook(func(_ context.Context, step peers.Step, _ string) error {
			if step == peers.DescribeRecording {
				described++
			}
			return nil
		})
		c := w.config()
		first := c
		first.MissingAfter = 48 * time.Hour
		w.look(w.watch(first))
		w.hook.Store(&h)
		w.post("RE1", "in-progress", 5*time.Hour)
		w.ahead.Add(int64(10 * time.Minute))
		w.api.List(peers.Recording{Sid: "RE1", Status: "completed", Length: 3*time.Hour + 50*time.Minute, Began: w.now().Add(-3*time.Hour - 55*time.Minute)})
		w.look(w.watch(c))
		w.want("after a look", "RE1 in-progress", "RE1 completed late")
		if described != 0 {
			t.Errorf("the provider was asked %d times about what its list tells", described)
		}
	})
}

func TestAProviderThatKeepsSilentIsNotWaitedForLong(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.post("RE1", "in-progress", 4*time.Hour+30*time.Minute)
		w.post("RE2", "in-progress", 4*time.Hour+40*time.Minute)
		w.post("RE3", "in-progress", 5*time.Hour+time.Minute)
		begun := w.received()
		asked := 0
		h := peers.Hook(func(_ context.Context, step peers.Step, _ string) error {
			if step != peers.DescribeRecording {
				return nil
			}
			asked++
			return &peers.APIError{Status: 401, Code: 20003}
		})
		w.hook.Store(&h)
		c := w.config()
		c.Every = 0
		w.lookForMissing(c)
		w.want("while nobody answers", append(begun, "RE3 missing")...)
		if asked != 1 {
			t.Errorf("the provider was asked %d times, want once", asked)
		}
		w.hook.Store(nil)
		w.look(w.watch(c))
		w.want("when somebody answers", append(begun, "RE1 missing", "RE2 missing", "RE3 missing")...)
	})
}

func TestMissingOnesAreNotOnesOfAnEarlierTime(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		for i := range 40 { // more than are looked at at once
			w.post(string(rune('a'+i)), "in-progress", 5*time.Hour+time.Duration(i)*time.Second)
		}
		c := w.config()
		w.look(w.watch(c))
		if list, err := w.store.Callbacks(t.Context(), store.Filter{Limit: 100}); err != nil || len(list) != 40 {
			t.Errorf("after the first look ever %d callbacks are stored, %v; want the 40 that were", len(list), err)
		}
		c.Client, c.MissingAfter = nil, 3*time.Hour
		w.post("later", "in-progress", 3*time.Hour+30*time.Minute)
		w.look(w.watch(c))
		if list, err := w.store.Callbacks(t.Context(), store.Filter{Limit: 100}); err != nil || len(list) != 42 || list[0].RecordingStatus != "missing" {
			t.Errorf("after the next look %d callbacks are stored, %v; want one more that is missing", len(list), err)
		}
	})
}
