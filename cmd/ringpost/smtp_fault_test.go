package main_test

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"ringpost/relay/peers"
)

// during returns a hook that does what at one step and nothing at the others.
func during(step peers.Step, what func(ctx context.Context, subject string) error) peers.Hook {
	return func(ctx context.Context, now peers.Step, subject string) error {
		if now == step {
			return what(ctx, subject)
		}
		return nil
	}
}

// always returns a hook that answers one step with err.
func always(step peers.Step, err error) peers.Hook {
	return during(step, func(context.Context, string) error { return err })
}

// once returns a hook that answers one step with err, once for each subject
// that pattern, which is path.Match's, fits.
func once(step peers.Step, pattern string, err error) peers.Hook {
	var mu sync.Mutex
	seen := make(map[string]bool)
	return during(step, func(_ context.Context, subject string) error {
		mu.Lock()
		defer mu.Unlock()
		if fits, _ := path.Match(pattern, subject); !fits || seen[subject] {
			return nil
		}
		seen[subject] = true
		return err
	})
}

// whileMailIsDown posts callbacks while the mail server does what hook says. SMS
// arrive meanwhile, and no email does. Once attempts have failed the server
// heals: then all emails arrive, once.
func whileMailIsDown(t *testing.T, name string, hook peers.Hook) {
	t.Helper()
	s := newScenario(t, name, settings{})
	s.whileDown(&s.mailServer, hook, "email", "sms")
}

// TestAMailServerThatNeverAnswersDelaysNoSMS takes connections and says nothing
// on them, until the client's patience of ten seconds is over.
func TestAMailServerThatNeverAnswersDelaysNoSMS(t *testing.T) {
	t.Parallel()
	healed := make(chan struct{})
	time.AfterFunc(15*time.Second, func() { close(healed) })
	whileMailIsDown(t, "SMTP: takes connections and never answers",
		during(peers.Connect, func(ctx context.Context, _ string) error {
			select {
			case <-healed:
			case <-ctx.Done():
			}
			return peers.ErrCut
		}))
}

// TestAMailServerThatCutsConnectionsDelaysNoSMS cuts every connection as soon as
// it is made.
func TestAMailServerThatCutsConnectionsDelaysNoSMS(t *testing.T) {
	t.Parallel()
	whileMailIsDown(t, "SMTP: cuts every connection", always(peers.Connect, peers.ErrCut))
}

// TestAMailServerThatDropsMessagesAfterDATARepeatsNothing cuts the connection in
// place of an answer to the whole message, which it forgets. Whether it was
// accepted cannot be known, so it is sent again.
func TestAMailServerThatDropsMessagesAfterDATARepeatsNothing(t *testing.T) {
	t.Parallel()
	whileMailIsDown(t, "SMTP: cuts after DATA, message not accepted", always(peers.Data, peers.ErrCut))
}

// TestAMailServerThatClosesIsTriedAgain greets with 421, as a server does that
// is shutting down or has too many connections.
func TestAMailServerThatClosesIsTriedAgain(t *testing.T) {
	t.Parallel()
	whileMailIsDown(t, "SMTP: 421 in place of a greeting",
		always(peers.Connect, &smtp.SMTPError{Code: 421, Message: "too many connections"}))
}

// TestAMailServerThatClosesInTheMiddleIsTriedAgain answers MAIL with 421.
func TestAMailServerThatClosesInTheMiddleIsTriedAgain(t *testing.T) {
	t.Parallel()
	whileMailIsDown(t, "SMTP: 421 to MAIL",
		always(peers.MailFrom, &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "shutting down"}))
}

// TestAWrongPasswordGivesUpNoEmail refuses the log-in: that is the channel's
// trouble and no recipient's, so nothing is given up for it.
func TestAWrongPasswordGivesUpNoEmail(t *testing.T) {
	t.Parallel()
	whileMailIsDown(t, "SMTP: 535 to the log-in",
		always(peers.Auth, &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong password"}))
}

// TestAMailServerThatTalksGarbageIsTriedAgain says what is not SMTP.
func TestAMailServerThatTalksGarbageIsTriedAgain(t *testing.T) {
	t.Parallel()
	whileMailIsDown(t, "SMTP: talks garbage", always(peers.Connect, peers.ErrGarbage))
}

// TestATemporaryRefusalIsTriedAgain answers each recipient's first attempt with
// 450. That is no trouble of the channel: others go out meanwhile.
func TestATemporaryRefusalIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "SMTP: 450 at first, then accepted", settings{})
	s.mailServer.begin(once(peers.RcptTo, "*", &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "greylisted"}))
	s.start()
	s.post(30)
	s.arrives("sms")
	s.settle()
	for _, d := range s.server.deliveries("channel=email") {
		if d.Attempts != 2 {
			t.Errorf("the email about %s took %d attempts, want 2", d.Recording, d.Attempts)
		}
	}
}

// TestAMailServerThatAcceptsAndCutsGetsTheSameMessageIDAgain accepts some messages
// and cuts the connection in place of saying so. They are sent again, which the
// contract allows, and carry the same Message-ID. The others arrive once.
func TestAMailServerThatAcceptsAndCutsGetsTheSameMessageIDAgain(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "SMTP: cuts after DATA, message accepted", settings{})
	s.mailServer.begin(once(peers.Data, "cut*", peers.ErrAcceptAndCut))
	s.start()
	const cut = 8
	for i := range cut {
		s.postOne(s.orderFor(fmt.Sprintf("cut%d@example.com", i), "+15550100001"))
		s.post(4)
	}
	s.allowRepeats(cut)
	s.settle()
	if got := s.count().emailRepeated; got != cut {
		t.Errorf("%d emails arrived again, want each of the %d whose acceptance was not heard of", got, cut)
	}
}

// TestARefusedRecipientIsDeadAtOnceAndDelaysNobody answers one of three
// recipients of every callback with 550: that message is dead after one attempt,
// with the server's words, and the two others arrive.
func TestARefusedRecipientIsDeadAtOnceAndDelaysNobody(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "SMTP: 550 for one recipient of three", settings{rules: `
[group]
managers = ["alice@example.com", "bob@example.com", "carol@example.com"]
[[rule]]
name = "finished"
status = "completed"
send = [{ via = "email", to = ["managers"], template = "recording" }]
`})
	s.mailServer.begin(during(peers.RcptTo, func(_ context.Context, recipient string) error {
		if recipient == "bob@example.com" {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox here"}
		}
		return nil
	}))
	s.mayDie = func(m message) bool { return m.to == "bob@example.com" }
	s.start()
	const callbacks = 10
	for range callbacks {
		o := s.anOrder()
		o.wanted = nil
		for _, name := range []string{"alice", "bob", "carol"} {
			o.wanted = append(o.wanted, message{"email", name + "@example.com", o.recording})
		}
		s.postOne(o)
	}
	s.settle()
	dead := s.server.deliveries("state=dead")
	if len(dead) != callbacks {
		t.Errorf("%d deliveries are dead, want %d", len(dead), callbacks)
	}
	for _, d := range dead {
		if d.Attempts != 1 || !strings.Contains(d.LastError, "no such mailbox here") {
			t.Errorf("a dead delivery has %d attempts and says %q, want one and the server's words", d.Attempts, d.LastError)
		}
	}
}

// TestASlowMailServerDelaysNoSMS takes 300 ms for every step. Emails take their
// time, and SMS do not wait for them.
func TestASlowMailServerDelaysNoSMS(t *testing.T) {
	t.Parallel()
	s := newScenario(t, "SMTP: 300 ms for every step", settings{})
	s.mailServer.begin(func(ctx context.Context, _ peers.Step, _ string) error {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	})
	s.start()
	s.post(24)
	s.arrives("sms")
	if s.open("email") == 0 {
		t.Error("the last email arrived before the last SMS, want SMS not to wait")
	}
	s.settle()
}

// TestAMailServerThatIsDownForAMinuteLosesNothing shuts the mail server's door
// for a while and looks that nothing is given up meanwhile.
func TestAMailServerThatIsDownForAMinuteLosesNothing(t *testing.T) {
	if !*long {
		t.Skip("takes more than a minute: run it with -long")
	}
	t.Parallel()
	s := newScenario(t, "SMTP: down for a minute", settings{})
	s.mailServer.begin(always(peers.Connect, peers.ErrCut))
	s.start()
	s.post(50)
	s.arrives("sms")
	<-time.After(time.Minute)
	if got := s.open("email"); got != 50 {
		t.Errorf("%d emails wait after a minute, want 50", got)
	}
	s.mailServer.heal()
	s.settle()
}

// TestAMailServerThatHangsAfterDATALosesNothing takes whole messages and never
// answers: after thirty seconds they count as perhaps accepted, and are sent
// again.
func TestAMailServerThatHangsAfterDATALosesNothing(t *testing.T) {
	if !*long {
		t.Skip("takes more than thirty seconds: run it with -long")
	}
	t.Parallel()
	whileMailIsDown(t, "SMTP: takes messages and never answers",
		during(peers.Data, func(ctx context.Context, _ string) error {
			select {
			case <-time.After(40 * time.Second):
			case <-ctx.Done():
			}
			return peers.ErrCut
		}))
}
