package intake_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/intake"
)

// storeFunc is a store that does what the test wants.
type storeFunc func(ctx context.Context) (bool, error)

func (f storeFunc) Add(ctx context.Context, _ *callback.Callback) (bool, error) { return f(ctx) }

// newIntake returns one that is asked without a network.
func newIntake(store intake.Store, j *journal) *intake.Intake {
	senders := intake.Senders{Verifier: callback.NewVerifier(publicURL, []string{signKey}), Space: space}
	return intake.New(senders, store, j.count, slog.New(slog.NewTextHandler(j, nil)))
}

func ask(ctx context.Context, t *testing.T, in *intake.Intake) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := request(t, http.MethodPost, "", callback.Path, formType, formBody).WithContext(ctx)
	r.RequestURI = callback.Path
	in.ServeHTTP(w, r)
	return w
}

func untilDone(ctx context.Context) (bool, error) {
	<-ctx.Done()
	return false, ctx.Err()
}

func TestAStoreThatDoesNotAnswerIsNoSuccess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		start := time.Now()
		got := ask(t.Context(), t, newIntake(storeFunc(untilDone), &j))
		if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
			t.Errorf("POST = %d, Retry-After %q, want 503 with Retry-After", got.Code, got.Header().Get("Retry-After"))
		}
		// SignalWire reads for five seconds.
		if waited := time.Since(start); waited != 4*time.Second {
			t.Errorf("answered after %v, want 4s", waited)
		}
		if got, want := j.counted(), "completed error"; got != want {
			t.Errorf("counted %q, want %q", got, want)
		}
	})
}

func TestACallbackIsStoredThoughItsSenderGoesAway(t *testing.T) {
	var j journal
	store := storeFunc(func(ctx context.Context) (bool, error) { return ctx.Err() == nil, ctx.Err() })
	gone, leave := context.WithCancel(t.Context())
	leave()
	if got := ask(gone, t, newIntake(store, &j)); got.Code != http.StatusOK {
		t.Errorf("POST = %d, want 200", got.Code)
	}
	if got, want := j.counted(), "completed stored"; got != want {
		t.Errorf("counted %q, want %q", got, want)
	}
}

func TestTooManyAtOnceAreToldToComeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const room = 4096
		var j journal
		release := make(chan struct{})
		store := storeFunc(func(context.Context) (bool, error) { <-release; return true, nil })
		in := newIntake(store, &j)
		codes := make(chan int, room)
		for range room {
			go func() { codes <- ask(t.Context(), t, in).Code }()
		}
		synctest.Wait()
		got := ask(t.Context(), t, in)
		if got.Code != http.StatusServiceUnavailable || got.Header().Get("Retry-After") == "" {
			t.Errorf("POST = %d, Retry-After %q, want 503 with Retry-After", got.Code, got.Header().Get("Retry-After"))
		}
		close(release)
		for range room {
			if code := <-codes; code != http.StatusOK {
				t.Errorf("POST that waited = %d, want 200", code)
			}
		}
		if got := ask(t.Context(), t, in); got.Code != http.StatusOK {
			t.Errorf("POST afterwards = %d, want 200", got.Code)
		}
	})
}
