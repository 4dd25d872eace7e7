package lookup_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/store"
)

const (
	carol = "+15550100003: "
	alice = "+15550100001: "
)

func TestWhoCalledIsAskedForAndTold(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		n := w.start()
		n.post("RE1", "CA1")
		w.arrives(carol+"RE1", alice+"RE1: +15550100002 called")
		cb := n.stored("RE1")
		if cb.Call == nil || !cb.Call.Known || cb.Call.From != "+15550100002" || cb.Call.Direction != "inbound" || cb.RoutedAt.IsZero() {
			t.Errorf("the callback is %+v with call %+v, want it routed, with its call", cb, cb.Call)
		}
		if got := n.counted("found"); got != 1 {
			t.Errorf("found is counted %v times, want 1", got)
		}
	})
}

func TestCallbacksThatNeedNoCallDoNotWaitForSignalWire(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.interfere(hangs)
		n := w.start()
		n.post("RE1", "CA1")
		l := n.waiting("RE1")
		var want []string
		for i := range 50 {
			n.post(fmt.Sprint("other", i), "")
			want = append(want, carol+fmt.Sprint("other", i))
		}
		w.arrives(want...)
		if cb := n.stored("RE1"); !cb.LooksUp || l.Deadline.Sub(cb.ReceivedAt) != time.Minute {
			t.Errorf("RE1 is %+v until %v, want that it waits for a minute", cb, l.Deadline)
		}
	})
}

// However many wait, and though every worker waits for an answer.
func TestWhenTheTimeIsOverAllGoOnWithout(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.plan.LookUp = 2 * time.Second
		w.interfere(hangs)
		n := w.start()
		const many = 150
		var want []string
		for i := range many {
			n.post(fmt.Sprint("RE", i), fmt.Sprint("CA", i))
			want = append(want, carol+fmt.Sprint("RE", i))
		}
		w.arrives(want...)
		dead, err := n.store.Deliveries(t.Context(), store.Filter{State: store.Dead, Limit: 1000})
		if err != nil || len(dead) != many {
			t.Fatalf("%d deliveries are dead, %v, want %d: whom it was for is not known", len(dead), err, many)
		}
		if want := "the recipient is not known: who called is not known ("; !strings.HasPrefix(dead[0].LastError, want) {
			t.Errorf("the dead one says %q, want %q…", dead[0].LastError, want)
		}
		for i := range many {
			cb := n.stored(fmt.Sprint("RE", i))
			late := cb.RoutedAt.Sub(cb.ReceivedAt)
			if cb.Call == nil || cb.Call.Known || cb.Call.Problem == "" || late < 2*time.Second || late > 10*time.Second {
				t.Errorf("%s went on after %v with %+v, want after two seconds, and why its call is not known", cb.RecordingSid, late, cb.Call)
			}
		}
		if got := n.counted("without"); got != many {
			t.Errorf("without is counted %v times, want %d", got, many)
		}
	})
}

func TestAFailureIsTriedAgain(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		answers := make(chan error, 2)
		answers <- &peers.APIError{Status: 500, Message: "no call from +15550100002 today"}
		answers <- &peers.APIError{Status: 502, Message: "bad gateway"}
		w.interfere(func(context.Context, string) error {
			select {
			case err := <-answers:
				return err
			default:
				return nil
			}
		})
		n := w.start()
		n.post("RE1", "CA1")
		w.eventually("the failure is noted", func() bool { l := n.waiting("RE1"); return l.Attempts == 1 })
		if l := n.waiting("RE1"); !strings.HasPrefix(l.LastError, "HTTP status 500: no call from …02 today") {
			t.Errorf("the failure is noted as %q, want what the API says without the number", l.LastError)
		}
		w.arrives(carol+"RE1", alice+"RE1: +15550100002 called")
		if asked, retried := w.asked.Load(), n.counted("retried"); asked != 3 || retried != 2 {
			t.Errorf("asked %d times, and %v are counted as retried, want 3 and 2", asked, retried)
		}
	})
}

// Its time is over before it begins where the service was stopped in between.
func TestWhatWasReceivedLongAgoIsAskedAboutAllTheSame(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		var failed atomic.Bool
		w.interfere(func(context.Context, string) error {
			if !failed.Swap(true) {
				return &peers.APIError{Status: 500, Message: "not yet"}
			}
			return nil
		})
		n := w.start()
		cb := aCallback("RE1")
		cb.ReceivedAt = time.Now().Add(-time.Hour)
		if _, err := n.store.Add(t.Context(), cb); err != nil {
			t.Fatal(err)
		}
		w.arrives(carol+"RE1", alice+"RE1: +15550100002 called")
	})
}

func TestTheCallbacksOfOneCallAskOnce(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		hold := make(chan struct{})
		w.interfere(func(ctx context.Context, _ string) error {
			select {
			case <-hold:
			case <-ctx.Done():
			}
			return nil
		})
		n := w.start()
		var want []string
		for i := range 5 {
			n.post(fmt.Sprint("RE", i), "CA1")
			n.waiting(fmt.Sprint("RE", i))
			want = append(want, carol+fmt.Sprint("RE", i), alice+fmt.Sprint("RE", i, ": +15550100002 called"))
		}
		close(hold)
		w.arrives(want...)
		n.post("RE5", "CA1")
		w.arrives(append(want, carol+"RE5", alice+"RE5: +15550100002 called")...)
		if got := w.asked.Load(); got != 1 {
			t.Errorf("asked %d times, want once", got)
		}
	})
}

func TestACallThatSignalWireDoesNotKnowIsGivenUpSoon(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.plan = newPlan(t, "other")
		n := w.start()
		n.post("RE1", "CA-none")
		w.arrives(carol + "RE1")
		cb := n.stored("RE1")
		if cb.Call == nil || cb.Call.Problem != "SignalWire knows no such call" || w.asked.Load() != 3 {
			t.Errorf("the call is %+v after %d questions, want that there is none after three", cb.Call, w.asked.Load())
		}
	})
}

// One that does not know a call yet is not its last word.
func TestACallThatIsKnownALittleLaterIsFound(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		n := w.start()
		n.post("RE1", "CA2")
		w.eventually("it was asked for", func() bool { return w.asked.Load() == 1 })
		w.api.Ring(peers.Call{Sid: "CA2", From: "anonymous", To: "+15550100001"})
		w.arrives(carol+"RE1", alice+"RE1: anonymous called")
	})
}

func TestWhereSignalWireAsksToSlowDownNobodyAsksMeanwhile(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		var mu sync.Mutex
		var at []time.Time
		w.interfere(func(context.Context, string) error {
			mu.Lock()
			defer mu.Unlock()
			if at = append(at, time.Now()); len(at) == 1 {
				return &peers.APIError{Status: 429, Code: 20429, Message: "Too Many Requests", RetryAfter: "2"}
			}
			return nil
		})
		n := w.start()
		n.post("RE1", "CA1")
		w.eventually("it was asked once", func() bool { return n.waiting("RE1").Attempts == 1 })
		w.api.Ring(peers.Call{Sid: "CA2", From: "+15550100004", To: "+15550100001"})
		n.post("RE2", "CA2")
		w.arrives(carol+"RE1", alice+"RE1: +15550100002 called", carol+"RE2", alice+"RE2: +15550100004 called")
		for i, when := range at[1:] {
			if pause := when.Sub(at[0]); pause < 2*time.Second {
				t.Errorf("question %d came %v after the wish to wait two seconds", i+2, pause)
			}
		}
	})
}

// What waits for one in trouble is asked about by few at once, and goes on in time.
func TestAProviderInTroubleIsNotPressed(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.plan.LookUp = 4 * time.Second
		w.interfere(func(context.Context, string) error { return &peers.APIError{Status: 500, Message: "out of order"} })
		n := w.start()
		const many = 400
		var want []string
		for i := range many {
			n.post(fmt.Sprint("RE", i), fmt.Sprint("CA", i))
			want = append(want, carol+fmt.Sprint("RE", i))
		}
		w.arrives(want...)
		if asked := w.asked.Load(); asked < 8 || asked > 40 {
			t.Errorf("it was asked %d times in 4 s, want hardly more than once by each worker", asked)
		}
		w.interfere(nil)
		patient := *w.plan
		patient.LookUp = time.Minute
		n.router.Follow(&patient)
		w.api.Ring(peers.Call{Sid: "CB1", From: "+15550100004", To: "+15550100001"})
		n.post("RE-next", "CB1")
		w.eventually("the next one is told of", func() bool { return slices.Contains(w.mail.all(), alice+"RE-next: +15550100004 called") })
	})
}

func TestTheRulesInForceThenDecide(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		reached, hold := make(chan struct{}), make(chan struct{})
		w.interfere(func(context.Context, string) error {
			close(reached)
			<-hold
			return nil
		})
		n := w.start()
		n.post("RE1", "CA1")
		<-reached
		next := newPlan(t, "other")
		next.ID = 42
		n.router.Follow(next)
		close(hold)
		w.arrives(carol+"RE1", alice+"RE1: other words")
		if cb := n.stored("RE1"); cb.PlanID != 42 {
			t.Errorf("it was routed by plan %d, want 42", cb.PlanID)
		}
	})
}

func TestWhatWaitsAtAStopIsToldOnceAfterTheNextStart(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		w.interfere(hangs)
		n := w.start()
		for i := range 20 {
			n.post(fmt.Sprint("RE", i), "CA1")
		}
		n.waiting("RE19")
		began := time.Now()
		n.stop()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v to stop, want it soon", took)
		}
		if got := w.mail.all(); len(got) > 0 {
			t.Fatalf("sent is %q before anything is known", got)
		}
		w.interfere(nil)
		w.start()
		var want []string
		for i := range 20 {
			want = append(want, carol+fmt.Sprint("RE", i), alice+fmt.Sprint("RE", i, ": +15550100002 called"))
		}
		w.arrives(want...)
	})
}

func TestWhereNobodyIsAskedCallbacksGoOnAtOnce(t *testing.T) {
	promise(t, func(t *testing.T, w *world) {
		n := w.start(true)
		n.post("RE1", "CA1")
		w.arrives(carol + "RE1")
		if cb := n.stored("RE1"); cb.Call == nil || cb.Call.Known || !strings.Contains(cb.Call.Problem, "token are not all configured") {
			t.Errorf("the call is %+v, want that there was nobody to ask", cb.Call)
		}
	})
}

func TestNodesShareTheQuestionsAndTellOnce(t *testing.T) {
	newWorldOnPostgres(t, func(w *world) {
		one, two := w.start(), w.start()
		var want []string
		for i := range 100 {
			call := fmt.Sprint("CB", i)
			w.api.Ring(peers.Call{Sid: call, From: "+15550100002", To: "+15550100001"})
			[]*node{one, two}[i%2].post(fmt.Sprint("RE", i), call)
			want = append(want, carol+fmt.Sprint("RE", i), alice+fmt.Sprint("RE", i, ": +15550100002 called"))
		}
		w.arrives(want...)
		if got := one.counted("found") + two.counted("found"); got != 100 {
			t.Errorf("found is counted %v times on both, want 100", got)
		}
		if all := slices.Compact(w.mail.all()); len(all) != 200 {
			t.Errorf("%d messages are different, want 200", len(all))
		}
	})
}
