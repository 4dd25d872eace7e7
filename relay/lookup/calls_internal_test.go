package lookup

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/callback"
)

func TestNoMoreThanSoManyCallsAreRemembered(t *testing.T) {
	asked := 0
	c := newCalls(func(_ context.Context, sid string) (*callback.Call, error) {
		asked++
		return &callback.Call{Known: true, From: sid}, nil
	})
	for _, sid := range []string{"first", "second"} {
		for range 2 {
			if call, err := c.get(t.Context(), sid); err != nil || call.From != sid {
				t.Errorf("get(%s) = %+v, %v", sid, call, err)
			}
		}
	}
	for i := range maxCalls - 1 {
		_, _ = c.get(t.Context(), fmt.Sprint("CA", i))
	}
	if asked != maxCalls+1 || len(c.known) != maxCalls || len(c.order) != maxCalls {
		t.Errorf("%d are remembered after %d questions, want %d after %d", len(c.known), asked, maxCalls, maxCalls+1)
	}
	_, _ = c.get(t.Context(), "second")
	if asked != maxCalls+1 {
		t.Error("the second call was forgotten, want only the first one")
	}
	_, _ = c.get(t.Context(), "first")
	if asked != maxCalls+2 {
		t.Error("the oldest call is remembered, want it forgotten")
	}
}

func TestWhoAsksMeanwhileGetsTheSameAnswerAndAFailureIsNotRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := newCalls(func(ctx context.Context, _ string) (*callback.Call, error) {
			asked++
			time.Sleep(time.Second)
			if asked == 1 {
				return nil, errors.New("busy")
			}
			return &callback.Call{Known: true}, nil
		})
		results := make(chan error, 4)
		for range 3 {
			go func() {
				_, err := c.get(t.Context(), "CA1")
				results <- err
			}()
		}
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			synctest.Wait()
			time.Sleep(100 * time.Millisecond)
			_, err := c.get(ctx, "CA1")
			results <- err
		}()
		impatient := 0
		for range 4 {
			switch err := <-results; {
			case errors.Is(err, errPatience):
				impatient++
			case err == nil || err.Error() != "busy":
				t.Errorf("get = %v, want busy", err)
			}
		}
		if asked != 1 || impatient != 1 {
			t.Errorf("asked %d times, and %d had no patience, want 1 and 1", asked, impatient)
		}
		if call, err := c.get(t.Context(), "CA1"); err != nil || !call.Known || asked != 2 {
			t.Errorf("get = %+v, %v after %d questions, want an answer after another one", call, err, asked)
		}
	})
}
