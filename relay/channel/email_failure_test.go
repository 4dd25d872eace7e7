package channel_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/channel"
	"ringpost/relay/peers"
)

func TestEmailFailuresSayWhatTheyMean(t *testing.T) {
	for _, tt := range []struct {
		name string
		step peers.Step
		err  error
		want channel.Class
	}{
		{"recipient unknown", peers.RcptTo, refusal(550, "no such user"), channel.Refused},
		{"mailbox full", peers.RcptTo, refusal(552, "over quota"), channel.Refused},
		{"sender refused", peers.MailFrom, refusal(553, "not yours"), channel.Refused},
		{"content refused", peers.Data, refusal(554, "spam"), channel.Refused},
		{"greylisted", peers.RcptTo, refusal(450, "come back"), channel.Temporary},
		{"recipient busy", peers.RcptTo, refusal(452, "too many"), channel.Temporary},
		{"content put off", peers.Data, refusal(451, "later"), channel.Temporary},
		{"sender put off", peers.MailFrom, refusal(451, "later"), channel.Temporary},
		{"log-in wanted", peers.MailFrom, refusal(530, "log in first"), channel.ChannelDown},
		{"closing", peers.MailFrom, refusal(421, "closing"), channel.ChannelDown},
		{"closing after the message", peers.Data, refusal(421, "closing"), channel.ChannelDown},
		{"closing at once", peers.Connect, refusal(421, "too many connections"), channel.ChannelDown},
		{"no service", peers.Connect, refusal(554, "no service"), channel.ChannelDown},
		{"cut at once", peers.Connect, peers.ErrCut, channel.ChannelDown},
		{"log-in refused", peers.Auth, smtp.ErrAuthFailed, channel.ChannelDown},
		{"log-in put off", peers.Auth, refusal(454, "later"), channel.ChannelDown},
		{"cut at the log-in", peers.Auth, peers.ErrCut, channel.ChannelDown},
		{"cut before the message", peers.RcptTo, peers.ErrCut, channel.ChannelDown},
		{"cut after the message", peers.Data, peers.ErrCut, channel.OutcomeUnsure},
		{"accepted and cut", peers.Data, peers.ErrAcceptAndCut, channel.OutcomeUnsure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{answers: map[peers.Step][]error{tt.step: {tt.err}}}
			m := startMail(t, peers.MailConfig{Username: testUser, Password: testPassword, Hook: s.hook})
			e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone, Username: testUser, Password: testPassword})
			_, err := e.Send(t.Context(), &testMessage)
			if err == nil || channel.ClassOf(err) != tt.want {
				t.Fatalf("Send = %v, class %v; want class %v", err, channel.ClassOf(err), tt.want)
			}
			if _, err := e.Send(t.Context(), &testMessage); err != nil {
				t.Errorf("second Send = %v, want it delivered", err)
			}
		})
	}
}

func TestEmailErrorKeepsTheServersWords(t *testing.T) {
	s := &script{answers: map[peers.Step][]error{peers.RcptTo: {refusal(550, "mailbox moved to Mars")}}}
	m := startMail(t, peers.MailConfig{Hook: s.hook})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	_, err := e.Send(t.Context(), &testMessage)
	if want := "RCPT: 550 5.1.1 mailbox moved to Mars"; err == nil || err.Error() != want {
		t.Errorf("Send = %v, want %q", err, want)
	}
}

func TestEmailErrorHidesWhatMustNotBeLogged(t *testing.T) {
	private := []string{
		testPassword, "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5", "AHJlbGF5AGNvcnJlY3QtaG9yc2UtYmF0dGVyeQ==",
		testMessage.Subject, "files.signalwire.com/a/b.wav", "/api/laml/2010-04-01/Accounts/A/Recordings/R", "5550100001",
	}
	words := strings.Join(private, " ") + "\n" + testMessage.Text + " +15550100001\x1b[2J"
	for _, step := range []peers.Step{peers.Auth, peers.MailFrom, peers.RcptTo, peers.Data} {
		s := &script{answers: map[peers.Step][]error{step: {refusal(550, words)}}}
		m := startMail(t, peers.MailConfig{Username: testUser, Password: testPassword, Hook: s.hook})
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone, Username: testUser, Password: testPassword})
		_, err := e.Send(t.Context(), &testMessage)
		if err == nil {
			t.Fatalf("%s: no error", step)
		}
		for _, p := range append(private, "\x1b", "Grüße") {
			if strings.Contains(err.Error(), p) {
				t.Errorf("%s: error %q contains %q", step, err, p)
			}
		}
	}
}

func TestEmailCountsTLSTroubleAsTheChannels(t *testing.T) {
	plain := startMail(t, peers.MailConfig{})
	encrypted := startMail(t, peers.MailConfig{StartTLS: true})
	implicit := startMail(t, peers.MailConfig{ImplicitTLS: true})
	for _, tt := range []struct {
		name  string
		mail  *peers.Mail
		tls   channel.TLS
		trust bool
	}{
		{"no STARTTLS", plain, channel.TLSMandatory, true},
		{"no TLS", plain, channel.TLSImplicit, true},
		{"unknown authority", encrypted, channel.TLSMandatory, false},
		{"unknown authority, opportunistic", encrypted, channel.TLSOpportunistic, false},
		{"unknown authority, implicit", implicit, channel.TLSImplicit, false},
	} {
		config := channel.EmailConfig{Host: tt.mail.Host, Port: tt.mail.Port, TLS: tt.tls, From: testFrom}
		if tt.trust {
			config.RootCAs = tt.mail.RootCAs
		}
		e, err := channel.NewEmail(config)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Send(t.Context(), &testMessage); channel.ClassOf(err) != channel.ChannelDown {
			t.Errorf("%s: Send = %v, want the channel down", tt.name, err)
		}
		if n := len(tt.mail.Emails()); n != 0 {
			t.Errorf("%s: %d emails arrived, want none", tt.name, n)
		}
	}
}

func TestEmailIsDownWhereNobodyListens(t *testing.T) {
	m := startMail(t, peers.MailConfig{})
	e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
	m.Close()
	if _, err := e.Send(t.Context(), &testMessage); channel.ClassOf(err) != channel.ChannelDown {
		t.Errorf("Send = %v, want the channel down", err)
	}
}

func TestEmailEndsWithItsContext(t *testing.T) {
	for _, tt := range []struct {
		step   peers.Step
		cancel bool // rather than a deadline
		want   channel.Class
	}{
		{peers.Connect, false, channel.ChannelDown},
		{peers.MailFrom, false, channel.ChannelDown},
		{peers.MailFrom, true, channel.Temporary},
		{peers.Data, true, channel.OutcomeUnsure},
	} {
		reached := make(chan struct{}, 1)
		m := startMail(t, peers.MailConfig{Hook: func(ctx context.Context, step peers.Step, _ string) error {
			if step == tt.step {
				reached <- struct{}{}
				<-ctx.Done()
			}
			return ctx.Err()
		}})
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if tt.cancel {
			ctx, cancel = context.WithCancel(t.Context())
			go func() {
				<-reached
				cancel()
			}()
		}
		_, err := e.Send(ctx, &testMessage)
		if err == nil || channel.ClassOf(err) != tt.want {
			t.Errorf("server hangs at %s, cancel %v: Send = %v, class %v; want class %v", tt.step, tt.cancel, err, channel.ClassOf(err), tt.want)
		}
		cancel()
		m.Close()
	}
}

func TestEmailDoesNotWaitForeverForAServer(t *testing.T) {
	for _, tt := range []struct {
		step peers.Step
		want channel.Class
		said string
	}{
		{peers.Connect, channel.ChannelDown, "greeting: no answer: context deadline exceeded"},
		{peers.MailFrom, channel.ChannelDown, "MAIL: no answer: i/o timeout"},
		{peers.Data, channel.OutcomeUnsure, "end of DATA: no answer: i/o timeout"},
	} {
		var hangs atomic.Bool
		m := startMail(t, peers.MailConfig{Hook: func(ctx context.Context, step peers.Step, _ string) error {
			if step == tt.step && hangs.Load() {
				<-ctx.Done()
			}
			return ctx.Err()
		}})
		e := newEmail(t, m, channel.EmailConfig{TLS: channel.TLSNone})
		if tt.step != peers.Connect { // else on a kept connection
			if _, err := e.Send(t.Context(), &testMessage); err != nil {
				t.Fatal(err)
			}
		}
		hangs.Store(true)
		e.SetPatience(50 * time.Millisecond)
		_, err := e.Send(t.Context(), &testMessage)
		if err == nil || channel.ClassOf(err) != tt.want || err.Error() != tt.said {
			t.Errorf("server hangs at %s: Send = %v, class %v; want %q, class %v", tt.step, err, channel.ClassOf(err), tt.said, tt.want)
		}
		m.Close()
	}
}

func TestEmailReadsABoundedAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var said atomic.Int64
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		for line := []byte(strings.Repeat("220-and another thing\r\n", 100)); err == nil; {
			var n int
			n, err = conn.Write(line)
			said.Add(int64(n))
		}
	}()
	addr := listener.Addr().(*net.TCPAddr)
	e, err := channel.NewEmail(channel.EmailConfig{Host: "127.0.0.1", Port: addr.Port, TLS: channel.TLSNone, From: testFrom})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Send(t.Context(), &testMessage); channel.ClassOf(err) != channel.ChannelDown {
		t.Errorf("Send = %v after %d bytes, want the channel down", err, said.Load())
	}
}
