package channel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
	"ringpost/relay/signalwire"
)

const (
	testProject = "5c1f7d3e-project"
	testToken   = "PT0123456789abcdef"
	testNumber  = "+15550100001"
)

var testSMS = channel.Message{
	ID:   "17@example.com",
	To:   testNumber,
	Text: "Your call of 1m34s: https://example.signalwire.com/api/laml/2010-04-01/Accounts/A/Recordings/R.mp3",
}

// startSignalWire starts an API that is closed with the test.
func startSignalWire(t *testing.T, hook peers.Hook) *peers.SignalWire {
	t.Helper()
	s, err := peers.NewSignalWire(peers.SignalWireConfig{Project: testProject, Token: testToken, Hook: hook})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// newSMS returns a channel to the API at url that is closed with the test.
func newSMS(t *testing.T, url string) *channel.SMS {
	t.Helper()
	client, err := signalwire.New(signalwire.Config{APIURL: url, Project: testProject, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	s := channel.NewSMS(channel.SMSConfig{Client: client, From: "+15550100000"})
	t.Cleanup(func() { s.Close() })
	return s
}

// unsure returns testSMS as it is after an attempt whose outcome is not known.
func unsure() *channel.Message {
	m := testSMS
	m.UnsureFor = time.Second
	return &m
}

func TestSMSArrives(t *testing.T) {
	api := startSignalWire(t, nil)
	sid, err := newSMS(t, api.URL).Send(t.Context(), &testSMS)
	if err != nil {
		t.Fatal(err)
	}
	got := api.Messages()
	if len(got) != 1 || got[0].Sid != sid || got[0].To != testSMS.To || got[0].From != "+15550100000" || got[0].Body != testSMS.Text {
		t.Errorf("Send = %q, and %+v arrived", sid, got)
	}
}

func TestSMSAsksForReceiptsThatNameItsDelivery(t *testing.T) {
	api := startSignalWire(t, nil)
	client, err := signalwire.New(signalwire.Config{APIURL: api.URL, Project: testProject, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	s := channel.NewSMS(channel.SMSConfig{Client: client, From: "+15550100000",
		Receipts: func(delivery int64) string {
			return fmt.Sprintf("https://hooks.example.com/receipts?delivery=%d", delivery)
		}})
	defer s.Close()
	of17, test := testSMS, testSMS
	of17.Delivery = 17
	for _, m := range []*channel.Message{&of17, &test} {
		if _, err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := newSMS(t, api.URL).Send(t.Context(), &of17); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"https://hooks.example.com/receipts?delivery=17", "", ""} {
		if got := api.Messages()[i].StatusCallback; got != want {
			t.Errorf("message %d asks for receipts at %q, want %q", i+1, got, want)
		}
	}
}

func TestSMSNamesItsMessagingService(t *testing.T) {
	api := startSignalWire(t, nil)
	client, err := signalwire.New(signalwire.Config{APIURL: api.URL, Project: testProject, Token: testToken})
	if err != nil {
		t.Fatal(err)
	}
	s := channel.NewSMS(channel.SMSConfig{Client: client, MessagingService: "MG1"})
	defer s.Close()
	sid, err := s.Send(t.Context(), &testSMS)
	if err != nil {
		t.Fatal(err)
	}
	if got := api.Messages()[0]; got.MessagingService != "MG1" || got.From != "" {
		t.Errorf("sent from %q by service %q, want no number and MG1", got.From, got.MessagingService)
	}
	if again, err := s.Send(t.Context(), unsure()); again != sid || err != nil {
		t.Errorf("Send after an unsure attempt = %q, %v; want %q, which it made", again, err, sid)
	}
}

func TestSMSFailuresSayWhatTheyMean(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want channel.Class
		wait time.Duration
	}{
		{"opted out", &peers.APIError{Status: 400, Code: 21610}, channel.Refused, 0},
		{"code as a string", &peers.APIError{Status: 400, Code: "21211"}, channel.Refused, 0},
		{"code under another status", &peers.APIError{Status: 403, Code: 21408}, channel.Refused, 0},
		{"unknown code", &peers.APIError{Status: 400, Code: 29999}, channel.Temporary, 0},
		{"no code", &peers.APIError{Status: 422}, channel.Temporary, 0},
		{"credentials", &peers.APIError{Status: 401, Code: 20003}, channel.ChannelDown, 0},
		{"credentials without a code", &peers.APIError{Status: 401}, channel.ChannelDown, 0},
		{"forbidden", &peers.APIError{Status: 403}, channel.ChannelDown, 0},
		{"no such project", &peers.APIError{Status: 404, Code: 20404}, channel.ChannelDown, 0},
		{"balance", &peers.APIError{Status: 400, Code: 30002}, channel.ChannelDown, 0},
		{"redirect", &peers.APIError{Status: 307}, channel.ChannelDown, 0},
		{"too many", &peers.APIError{Status: 429, RetryAfter: "7"}, channel.Temporary, 7 * time.Second},
		{"too many, no wait named", &peers.APIError{Status: 429, Code: 20429}, channel.Temporary, 10 * time.Second},
		{"too many, an absurd wait", &peers.APIError{Status: 429, RetryAfter: "4000000000"}, channel.Temporary, time.Hour},
		{"queue full", &peers.APIError{Status: 400, Code: 21611}, channel.Temporary, 10 * time.Second},
		{"carrier's limit", &peers.APIError{Status: 400, Code: 30022, RetryAfter: "2"}, channel.Temporary, 2 * time.Second},
		{"the API's own failure", &peers.APIError{Status: 500, Code: 20500}, channel.ChannelDown, 0},
		{"unavailable", &peers.APIError{Status: 503}, channel.ChannelDown, 0},
		{"failure of who knows whom", &peers.APIError{Status: 500}, channel.OutcomeUnsure, 0},
		{"gateway", &peers.APIError{Status: 502}, channel.OutcomeUnsure, 0},
		{"gateway's time-out", &peers.APIError{Status: 504}, channel.OutcomeUnsure, 0},
		{"cut", peers.ErrCut, channel.OutcomeUnsure, 0},
		{"accepted and cut", peers.ErrAcceptAndCut, channel.OutcomeUnsure, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: map[peers.Step][]error{peers.SendSMS: {tt.err}}}
			api := startSignalWire(t, s.hook)
			_, err := newSMS(t, api.URL).Send(t.Context(), &testSMS)
			var wait time.Duration
			if e, ok := errors.AsType[*channel.Error](err); ok {
				wait = e.Wait
			}
			if err == nil || channel.ClassOf(err) != tt.want || wait != tt.wait {
				t.Errorf("Send = %v, class %v, wait %v; want class %v, wait %v", err, channel.ClassOf(err), wait, tt.want, tt.wait)
			}
		})
	}
}

func TestSMSIsUnsureOfAnAnswerItCannotRead(t *testing.T) {
	for _, body := range []string{"", "{}", `{"sid":null}`, "<html>", `{"sid":"x"`} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, body)
		}))
		_, err := newSMS(t, api.URL).Send(t.Context(), &testSMS)
		if err == nil || channel.ClassOf(err) != channel.OutcomeUnsure {
			t.Errorf("answer %q: Send = %v, want its outcome unsure", body, err)
		}
		api.Close()
	}
}

func TestSMSIsDownWhereNobodyListens(t *testing.T) {
	api := startSignalWire(t, nil)
	api.Close()
	s := newSMS(t, api.URL)
	for _, m := range []*channel.Message{&testSMS, unsure()} {
		if _, err := s.Send(t.Context(), m); channel.ClassOf(err) != channel.ChannelDown {
			t.Errorf("Send = %v, want the channel down", err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Send(ctx, &testSMS); err == nil || channel.ClassOf(err) != channel.Temporary {
		t.Errorf("Send with an ended context = %v, want it to be tried again", err)
	}
}

func TestSMSIsUnsureWhereTheAnswerIsNotAwaited(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	api := startSignalWire(t, func(ctx context.Context, _ peers.Step, _ string) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	_, err := newSMS(t, api.URL).Send(ctx, &testSMS)
	if err == nil || channel.ClassOf(err) != channel.OutcomeUnsure {
		t.Errorf("Send = %v, want its outcome unsure", err)
	}
}

func TestSMSFindsWhatAnUnsureAttemptSent(t *testing.T) {
	s := &script{answers: map[peers.Step][]error{peers.SendSMS: {peers.ErrAcceptAndCut}}}
	api := startSignalWire(t, s.hook)
	sms := newSMS(t, api.URL)
	if _, err := sms.Send(t.Context(), &testSMS); channel.ClassOf(err) != channel.OutcomeUnsure {
		t.Fatalf("Send = %v, want its outcome unsure", err)
	}
	for i := range 120 { // onto the third page
		if _, err := sms.Send(t.Context(), &channel.Message{To: testNumber, Text: fmt.Sprint("another ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	sid, err := sms.Send(t.Context(), unsure())
	if want := api.Messages()[0].Sid; sid != want || err != nil {
		t.Errorf("second Send = %q, %v; want %q", sid, err, want)
	}
	if got := len(api.Messages()); got != 121 {
		t.Errorf("%d messages were accepted, want 121", got)
	}
	if got := s.count(peers.ListSMS); got != 3 {
		t.Errorf("%d pages were read, want 3", got)
	}
}

func TestSMSSendsWhatAnUnsureAttemptDidNot(t *testing.T) {
	s := &script{answers: map[peers.Step][]error{peers.SendSMS: {nil, nil, peers.ErrCut}}}
	api := startSignalWire(t, s.hook)
	sms := newSMS(t, api.URL)
	for _, m := range []channel.Message{{To: testNumber, Text: "something else"}, {To: "+15550100002", Text: testSMS.Text}} {
		if _, err := sms.Send(t.Context(), &m); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sms.Send(t.Context(), &testSMS); channel.ClassOf(err) != channel.OutcomeUnsure {
		t.Fatalf("Send = %v, want its outcome unsure", err)
	}
	sid, err := sms.Send(t.Context(), unsure())
	got := api.Messages()
	if err != nil || len(got) != 3 || got[2].Sid != sid {
		t.Errorf("second Send = %q, %v; want it sent; %d messages were accepted", sid, err, len(got))
	}
}

func TestSMSSendsNothingWhileItCannotLook(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want channel.Class
	}{
		{"credentials", &peers.APIError{Status: 401, Code: 20003}, channel.ChannelDown},
		{"failure", &peers.APIError{Status: 500}, channel.ChannelDown},
		{"cut", peers.ErrCut, channel.ChannelDown},
		{"too many", &peers.APIError{Status: 429}, channel.Temporary},
		{"refused", &peers.APIError{Status: 400, Code: 21211}, channel.OutcomeUnknown},
		{"not offered", &peers.APIError{Status: 405}, channel.OutcomeUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: map[peers.Step][]error{peers.ListSMS: {tt.err}}}
			api := startSignalWire(t, s.hook)
			_, err := newSMS(t, api.URL).Send(t.Context(), unsure())
			if err == nil || channel.ClassOf(err) != tt.want {
				t.Errorf("Send = %v, class %v; want class %v", err, channel.ClassOf(err), tt.want)
			}
			if got := len(api.Messages()); got != 0 {
				t.Errorf("%d messages were accepted, want none", got)
			}
		})
	}
}

func TestSMSLeavesToAPersonWhatTheProviderCannotTell(t *testing.T) {
	endless := `{"messages":[{"sid":"x","body":"another"}],"next_page_uri":"/api/laml/2010-04-01/next"}`
	for _, page := range []string{endless, "<html>", "{}", `{"messages":[{"sid":"x","body":""}]}`, `{"messages":[{"sid":"x"}]}`} {
		posts := 0
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				posts++
			}
			io.WriteString(w, page)
		}))
		_, err := newSMS(t, api.URL).Send(t.Context(), unsure())
		api.Close()
		if err == nil || channel.ClassOf(err) != channel.OutcomeUnknown || posts != 0 {
			t.Errorf("page %q: Send = %v, class %v, %d sent; want the outcome unknown and nothing sent", page, err, channel.ClassOf(err), posts)
		}
	}
}

func TestSMSErrorHidesWhatMustNotBeLogged(t *testing.T) {
	words := strings.Join([]string{testToken, testNumber, "\x1b[2J", "https://files.signalwire.com/x.wav"}, " ")
	s := &script{answers: map[peers.Step][]error{
		peers.SendSMS: {&peers.APIError{Status: 400, Code: 29999, Message: testSMS.Text + words}, peers.ErrCut},
		peers.ListSMS: {&peers.APIError{Status: 400, Code: 29999, Message: words}, peers.ErrCut},
	}}
	api := startSignalWire(t, s.hook)
	sms := newSMS(t, api.URL)
	send := func(m *channel.Message) {
		_, err := sms.Send(t.Context(), m)
		if err == nil {
			t.Fatal("no error")
		}
		for _, p := range []string{testToken, testProject, "5550100001", "1m34s", "Recordings", "files.signalwire.com", "\x1b"} {
			if strings.Contains(err.Error(), p) {
				t.Errorf("error %q contains %q", err, p)
			}
		}
	}
	for range 2 {
		send(&testSMS)
		send(unsure())
	}
	api.Close()
	send(&testSMS)
	send(unsure())
}
