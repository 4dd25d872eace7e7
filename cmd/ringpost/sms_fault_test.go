package main_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/peers"
)

// whileSMSIsDown posts callbacks while the SMS API does what hook says. Emails
// arrive meanwhile, and no SMS does. Once attempts have failed the API heals:
// then all SMS arrive, once.
func whileSMSIsDown(t *testing.T, name string, hook peers.Hook) {
	t.Helper()
	s := newScenario(t, name, settings{})
	s.whileDown(&s.smsAPI, hook, "sms", "email")
}

// TestAnSMSAPIThatFailsIsTriedAgain answers with 500 and a code of its own: the
// API says that nothing was accepted.
func TestAnSMSAPIThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	whileSMSIsDown(t, "SMS: 500 with a code",
		always(peers.SendSMS, &peers.APIError{Status: http.StatusInternalServerError, Code: 20500, Message: "internal error"}))
}

// TestAGatewayThatFailsRepeatsNoSMS answers with 502 and without a code, as a
// gateway does that no longer knows what came of the request. Each message is
// looked up before it is sent again.
func TestAGatewayThatFailsRepeatsNoSMS(t *testing.T) {
	t.Parallel()
	whileSMSIsDown(t, "SMS: 502 without a code",
		always(peers.SendSMS, &peers.APIError{Status: http.StatusBadGateway, Code: 0, Message: "bad gateway"}))
}

// TestAWrongTokenGivesUpNoSMS answers with 401: that is the channel's trouble, and
// nothing is given up for it.
func TestAWrongTokenGivesUpNoSMS(t *testing.T) {
	t.Parallel()
	whileSMSIsDown(t, "SMS: 401",
		always(peers.SendSMS, &peers.APIError{Status: http.StatusUnauthorized, Code: 20003, Message: "Authentication Error"}))
}

// TestAnSMSAPIThatDropsRequestsGetsEachMessageOnce cuts the connection once it
// has the request, which it forgets, and so with look-ups.
func TestAnSMSAPIThatDropsRequestsGetsEachMessageOnce(t *testing.T) {
	t.Parallel()
	whileSMSIsDown(t, "SMS: cuts after the request, message not accepted",
		func(context.Context, peers.Step, string) error { return peers.ErrCut })
}

// TestAnSMSThatWasAcceptedUnheardIsFoundAndNotSentAgain accepts some messages and
// cuts the connection in place of saying so. SignalWire does not recognise a
// repeat, so they are looked up, found, and not sent again. Of others the
// request is dropped: they are looked up, not found, and sent.
func TestAnSMSThatWasAcceptedUnheardIsFoundAndNotSentAgain(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "SMS: cuts after the request, message accepted", settings{})
	accepted := once(peers.SendSMS, "+15550300*", peers.ErrAcceptAndCut)
	dropped := once(peers.SendSMS, "+15550400*", peers.ErrCut)
	s.smsAPI.begin(func(ctx context.Context, step peers.Step, subject string) error {
		if err := accepted(ctx, step, subject); err != nil {
			return err
		}
		return dropped(ctx, step, subject)
	})
	s.start()
	const cut = 8
	for i := range cut {
		s.postOne(s.orderFor("alice@example.com", fmt.Sprintf("+15550300%03d", i)))
		s.post(2)
		s.postOne(s.orderFor("alice@example.com", fmt.Sprintf("+15550400%03d", i)))
		s.post(2)
	}
	s.settle()
}

// TestNoSMSIsSentWhileTheAPIAsksForAPause answers two requests with 429 and a
// Retry-After of three seconds. No request comes within the pause, and email
// does not wait for it.
func TestNoSMSIsSentWhileTheAPIAsksForAPause(t *testing.T) {
	t.Parallel()
	const pause = 3 * time.Second
	// One at once, or the others would be on their way when the first is refused.
	s := newScenario(t, "SMS: 429 with Retry-After", settings{sms: "connections = 1"})
	var mu sync.Mutex
	var requests int
	var until time.Time
	s.smsAPI.begin(during(peers.SendSMS, func(context.Context, string) error {
		mu.Lock()
		defer mu.Unlock()
		requests++
		if early := time.Until(until); early > 0 {
			t.Errorf("request %d came %v before the pause was over", requests, early)
		}
		if requests != 1 && requests != 10 {
			return nil
		}
		until = time.Now().Add(pause)
		return &peers.APIError{Status: http.StatusTooManyRequests, Code: "20429", Message: "Too Many Requests",
			RetryAfter: fmt.Sprint(pause.Seconds())}
	}))
	s.start()
	s.post(20)
	s.arrives("email")
	if s.open("sms") == 0 {
		t.Error("the last SMS arrived before the last email, want email not to wait")
	}
	s.settle()
	mu.Lock()
	defer mu.Unlock()
	if requests != 22 {
		t.Errorf("%d requests for 20 SMS, want one more for each refused", requests)
	}
}

// TestAnSMSToWhomHasOptedOutIsDeadAtOnceAndDelaysNobody refuses two numbers with
// code 21610, once as a number and once as a string, as the API's endpoints
// differ in that. Each is dead after one attempt, the code in its last error, and
// the others arrive.
func TestAnSMSToWhomHasOptedOutIsDeadAtOnceAndDelaysNobody(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "SMS: 21610, as a number and as a string", settings{})
	codes := map[string]any{"+15550500001": 21610, "+15550500002": "21610"}
	s.smsAPI.begin(during(peers.SendSMS, func(_ context.Context, number string) error {
		if code, ok := codes[number]; ok {
			return &peers.APIError{Status: http.StatusBadRequest, Code: code, Message: "Attempt to send to unsubscribed recipient"}
		}
		return nil
	}))
	s.mayDie = func(m message) bool { return codes[m.to] != nil }
	s.start()
	for number := range codes {
		s.post(5)
		s.postOne(s.orderFor("alice@example.com", number))
	}
	s.settle()
	dead := s.server.deliveries("state=dead")
	if len(dead) != len(codes) {
		t.Errorf("%d deliveries are dead, want %d", len(dead), len(codes))
	}
	for _, d := range dead {
		if d.Attempts != 1 || !strings.Contains(d.LastError, "21610") {
			t.Errorf("a dead delivery has %d attempts and says %q, want one and the code 21610", d.Attempts, d.LastError)
		}
	}
}
