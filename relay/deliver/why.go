package deliver

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

// maxReason bounds what a sentence quotes of an error, in bytes.
const maxReason = 200

// Why says in a sentence where a delivery stands, and what becomes of it. ch is
// its channel's status, nil where there is no such channel; operations, which
// may be left out, tell who cancelled it, and which is its fallback.
func Why(d *store.Delivery, ch *Status, operations []store.Operation, now time.Time) string {
	switch d.State {
	case store.Queued, store.Retrying:
		return whyWaiting(d, ch, now)
	case store.Sending:
		return "is being sent"
	case store.Delivered:
		return whyDelivered(d, now)
	case store.Dead:
		return whyDead(d) + instead(d, operations)
	case store.Cancelled:
		return whyCancelled(d, operations, now)
	case store.Unknown:
		return "may or may not have arrived, and nobody can tell but the recipient: ask, and then retry or cancel it"
	case store.Shadow:
		if d.LastError != "" {
			return "trial only (shadow): it could not have been sent: " + short(d.LastError)
		}
		return "trial only (shadow): noted, and not sent"
	}
	return ""
}

// WhyLooksUp says in a sentence what a callback waits for whose rules want to know
// who called.
func WhyLooksUp(l *store.Lookup, now time.Time) string {
	asked := "not asked yet"
	switch {
	case l.Attempts == 1:
		asked = "asked once (" + short(l.LastError) + ")"
	case l.Attempts > 1:
		asked = fmt.Sprintf("asked %d times (%s)", l.Attempts, short(l.LastError))
	}
	return fmt.Sprintf("waits for SignalWire to say who called: %s; it goes on without that at %s", asked, clock(l.Deadline, now))
}

func whyWaiting(d *store.Delivery, ch *Status, now time.Time) string {
	name := "channel " + d.Channel
	switch {
	case ch == nil:
		return "waits: the configuration has no " + name
	case ch.Pause != nil:
		return fmt.Sprintf("waits: %s is paused by %s since %s; it goes out once somebody resumes the channel",
			name, ch.Pause.By, clock(ch.Pause.At, now))
	case !d.Held(now).IsZero():
		return whyHeld(d, d.Held(now), now)
	case ch.Down:
		return fmt.Sprintf("waits: %s is down since %s (%s); it goes out by itself once the channel is up",
			name, clock(ch.Since, now), short(ch.LastError))
	case whyAwaiting(d, now) != "":
		return whyAwaiting(d, now)
	case d.State == store.Retrying:
		return fmt.Sprintf("waits: attempt %d failed (%s); the next one is at %s", d.Attempts, short(d.LastError), clock(d.NextAttemptAt, now))
	}
	return "waits for its turn"
}

// whyHeld says when quiet hours end, by the clock that they go by.
func whyHeld(d *store.Delivery, until, now time.Time) string {
	layout := "15:04"
	if until.Format(time.DateOnly) != now.In(until.Location()).Format(time.DateOnly) {
		layout = "2 Jan 15:04"
	}
	text := fmt.Sprintf("waits for the end of quiet hours, %s %s", until.Format(layout), until.Location())
	switch {
	case d.NextAttemptAt.After(until):
		text += "; the next attempt is at " + clock(d.NextAttemptAt, now)
	case d.State == store.Retrying:
		text += fmt.Sprintf(": attempt %d failed (%s)", d.Attempts, short(d.LastError))
	}
	return text
}

// WhyCollected says in half a sentence what a digest waits for that a callback
// waits in.
func WhyCollected(d *store.Digest, now time.Time) string {
	text := "waits in a digest until " + clock(d.DueAt, now)
	if !d.DueAt.After(now) {
		text = "is about to be sent in a digest"
	}
	if d.Shadow {
		return "trial only (shadow): it " + text + ", and is not sent then"
	}
	return text
}

func whyDelivered(d *store.Delivery, now time.Time) string {
	by := "the mail server"
	switch d.Kind {
	case render.SMS:
		by = "the SMS provider"
	case render.Log:
		by = "the log"
	}
	text := fmt.Sprintf("accepted by %s at %s", by, clock(d.FinishedAt, now))
	if d.Kind == render.Archive {
		text = fmt.Sprintf("archived at %s, and verified there", clock(d.FinishedAt, now))
	}
	if d.Attempts > 1 {
		text += fmt.Sprintf(", at attempt %d", d.Attempts)
	}
	text += whyAttached(d.Attach)
	switch {
	case d.Kind != render.SMS:
	case d.Receipt == callback.ReceiptDelivered:
		text += "; the phone has it since " + clock(d.ReceiptAt, now)
	default:
		text += "; not yet confirmed by the phone's carrier"
	}
	return text
}

// code finds the provider's code in an error; see [signalwire.Error].
var code = regexp.MustCompile(`\bcode (\d+)\b`)

// optedOut is the code for a recipient who wants no SMS.
const optedOut = 21610

func whyDead(d *store.Delivery) string {
	said := short(d.LastError)
	if (&callback.Receipt{Status: d.Receipt}).Lost() {
		return said // by the carrier, after it was accepted
	}
	if d.Kind == render.Archive {
		return "not archived: " + said
	}
	if d.To == "" {
		return "nobody was told: " + said
	}
	if d.Attempts == 0 && strings.HasPrefix(d.LastError, "template ") {
		return "could not be written: " + said
	}
	if m := code.FindStringSubmatch(d.LastError); m != nil && d.Kind == render.SMS {
		n, _ := strconv.Atoi(m[1])
		meaning := signalwire.Meaning(n)
		switch {
		case n == optedOut:
			return "not sent: " + meaning + "; they get none until they text START to the sender's number"
		case meaning != "":
			return "not sent: " + meaning + " (code " + m[1] + ")"
		}
	}
	if d.Kind == render.Email {
		step, reply, _ := strings.Cut(said, ": ")
		switch step {
		case "RCPT":
			return "not sent: the mail server takes nothing for this recipient (" + reply + ")"
		case "MAIL", "DATA", "end of DATA":
			return "not sent: the mail server refuses this message (" + reply + ")"
		}
	}
	return "not sent: " + said
}

// instead says what has taken the place of a dead delivery.
func instead(d *store.Delivery, operations []store.Operation) string {
	switch d.Aftermath {
	case store.FellBack:
		for _, o := range operations {
			if which, ok := strings.CutPrefix(o.What, store.FallbackNote); ok && o.By == store.Itself {
				return "; its fallback took over: " + which
			}
		}
		return "; its fallback took over"
	case store.FallbackUnknown:
		return "; whether it has a fallback is not known, since the rules of then are not kept"
	}
	return ""
}

func whyCancelled(d *store.Delivery, operations []store.Operation, now time.Time) string {
	by := "somebody"
	for _, o := range operations {
		if o.What == "cancelled" {
			by = o.By
		}
	}
	return fmt.Sprintf("not sent: cancelled by %s at %s", by, clock(d.FinishedAt, now))
}

// Why says in a sentence how the channel does.
func (s *Status) Why(now time.Time) string {
	switch {
	case s.Pause != nil:
		return fmt.Sprintf("paused by %s since %s", s.Pause.By, clock(s.Pause.At, now))
	case s.Down:
		return fmt.Sprintf("down since %s (%s); it is tried again by itself", clock(s.Since, now), short(s.LastError))
	}
	return "up since " + clock(s.Since, now)
}

// clock writes a time as people say it: with its date where that is another.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format("15:04 MST")
	}
	return t.Format("2 Jan 15:04 MST")
}

// dial is what Go says before the reason why a connection was not made.
var dial = regexp.MustCompile(`^(?:connect: )?dial tcp.*: ([^:]+)$`)

// short keeps an error to what a sentence can carry.
func short(reason string) string {
	reason = dial.ReplaceAllString(reason, "$1")
	if reason == "" {
		return "for a reason that is not known"
	}
	if len(reason) > maxReason {
		return strings.ToValidUTF8(reason[:maxReason], "") + "…"
	}
	return reason
}
