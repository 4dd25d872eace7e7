package main_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
)

// TestNothingAcknowledgedIsLostWhenTheProcessIsKilled kills the service again
// and again, at moments that have nothing to do with what it is doing: while
// callbacks come in and email and SMS go out, and while it starts. Every
// callback that was answered with 200 must arrive. An email that was on its way
// at a kill may arrive twice, with the same Message-ID; an SMS may not, because
// it is looked up first.
func TestNothingAcknowledgedIsLostWhenTheProcessIsKilled(t *testing.T) {
	t.Parallel()
	kills := 5
	if *long {
		kills = 20
	}
	s := newScenario(t, "node: kill -9 at random moments under load", settings{})
	s.afterwards = 5 * time.Millisecond // so that some are accepted and not yet known to be
	s.start()
	stop := s.load(200)
	for range kills {
		<-time.After(rand.N(1500 * time.Millisecond))
		s.killAndStart()
	}
	stop()
	s.killAndStart()
	s.settle()
}

// killAndStart kills the server and starts it again; now and then it kills it
// while it starts, too.
func (s *scenario) killAndStart() {
	s.t.Helper()
	s.server.kill()
	s.allowRepeats(2 * workers)
	if rand.N(3) == 0 {
		command := s.server.serve(s.t.Context())
		if err := command.Start(); err != nil {
			s.t.Fatal(err)
		}
		<-time.After(rand.N(150 * time.Millisecond))
		_ = command.Process.Kill()
		_ = command.Wait()
		s.allowRepeats(2 * workers)
	}
	s.server.start()
}

// TestAnSMSThatIsBeingTakenAtAKillIsNotSentAgain kills the service while the API
// works on requests, which it accepts a second later. The service is back by
// then, and may not look for the messages before they are there to be found.
func TestAnSMSThatIsBeingTakenAtAKillIsNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "node: kill -9 while the SMS API works on requests", settings{})
	var working sync.WaitGroup
	working.Add(workers)
	s.smsAPI.begin(func(_ context.Context, step peers.Step, _ string) error {
		if step == peers.SendSMS {
			working.Done()
			<-time.After(time.Second)
		}
		return nil
	})
	s.start()
	s.post(workers)
	working.Wait()
	s.killAndStart()
	s.smsAPI.heal()
	s.settle()
}

// TestTheSameCallbackFiftyTimesAtOnceIsOneEmail posts one callback over and over:
// every one is answered with 200, and one email and one SMS go out.
func TestTheSameCallbackFiftyTimesAtOnceIsOneEmail(t *testing.T) {
	s := newScenario(t, "node: the same callback fifty times at once", settings{}).start()
	o := s.anOrder()
	var posts sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for range 50 {
		posts.Go(func() {
			status, err := s.server.post(completed(o.recording), o.query)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			answers[status]++
			mu.Unlock()
		})
	}
	posts.Wait()
	if answers[http.StatusOK] != 50 {
		t.Errorf("answers = %v, want fifty times 200", answers)
	}
	s.acknowledge(o.wanted...)
	s.post(1)
	s.arrives("email")
	s.settle()
	if got := s.times(o.wanted[0]); got != 1 {
		t.Errorf("%d emails, want 1", got)
	}
}

// TestWhatIsBeingSentIsFinishedOnSIGTERM stops the service while the mail server
// is slow to answer: what is on its way is finished, the process exits with 0,
// and the rest goes out after the next start, once.
func TestWhatIsBeingSentIsFinishedOnSIGTERM(t *testing.T) {
	s := newScenario(t, "node: SIGTERM while mail is slow", settings{})
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.mailServer.begin(func(ctx context.Context, step peers.Step, _ string) error {
		if step == peers.Data {
			once.Do(func() { close(reached) })
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return nil
	})
	s.start()
	s.post(10)
	<-reached
	stopping := s.server.admin
	time.AfterFunc(time.Second, func() {
		resp, err := http.Get("http://" + stopping + "/readyz")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("GET /readyz while draining = %v, %v; want 503", resp, err)
		}
		close(release)
	})
	if err := s.server.terminate(); err != nil {
		t.Errorf("serve exited with %v after SIGTERM, want 0", err)
	}
	s.start()
	s.settle()
}
