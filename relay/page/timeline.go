package page

import (
	"slices"
	"strings"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/deliver"
	"ringpost/relay/render"
	"ringpost/relay/store"
)

// moment is an entry of a timeline.
type moment struct {
	At    time.Time
	Tone  string // good, bad, warn, or empty
	Title string
	Said  string // in more detail, such as a server's words
}

// inOrder sorts what happened by when it did. What happened to several deliveries
// at once, such as a pause of their channel, is told once.
func inOrder(all []moment) []moment {
	told := make(map[moment]bool, len(all))
	all = slices.DeleteFunc(all, func(m moment) bool {
		if told[m] {
			return true
		}
		told[m] = true
		return false
	})
	slices.SortStableFunc(all, func(a, b moment) int { return a.At.Compare(b.At) })
	return all
}

// timeline is what happened to the callback, in no order yet.
func (t *told) timeline() []moment {
	received := moment{At: t.ReceivedAt, Title: t.heard()}
	if t.RecordingStatus == callback.Undelivered {
		received.Said = t.Fields["DeliveryError"]
	}
	if t.Late {
		received.Said = "Received late: found by asking SignalWire, since no callback had come."
	}
	all := []moment{received}
	all = append(all, lookedUp(&t.Stored)...)
	if !t.RoutedAt.IsZero() {
		all = append(all, t.matching())
	}
	for i := range t.Deliveries {
		all = append(all, t.Deliveries[i].timeline()...)
	}
	return all
}

// heard says how the callback came.
func (t *told) heard() string {
	words := strings.ToLower(inStatusWords(t.RecordingStatus))
	switch {
	case t.RecordingStatus == callback.Missing:
		return "Missing: the recording began, and nothing more was heard of it"
	case t.RecordingStatus == callback.Undelivered:
		return "Not told: delivery " + t.Fields["DeliveryId"] + " failed for good, which the rules are asked about"
	case t.Late:
		return "SignalWire said when it was asked: " + words
	}
	return "SignalWire told us: " + words
}

// matching says which rules matched.
func (t *told) matching() moment {
	m := moment{At: t.RoutedAt, Tone: "good"}
	var names []string
	for _, r := range t.Trace {
		if r.Matched {
			names = append(names, r.Name)
		}
	}
	switch {
	case t.Forgotten:
		m.Title = "Matched against the rules of that time"
		m.Tone = ""
	case len(names) == 0:
		m.Title, m.Tone = "No rule matched, so nobody is told", "warn"
	default:
		m.Title = "Matched " + plural(len(names), "rule", "rules")
		m.Said = strings.Join(names, " · ")
	}
	return m
}

// timeline is what happened to the delivery.
func (d *delivery) timeline() (all []moment) {
	to := d.name()
	for i, a := range d.Attempts {
		m := moment{At: a.StartedAt.Add(a.Took), Said: a.Err}
		last := i == len(d.Attempts)-1
		switch {
		case a.Err == "":
			m.Title, m.Tone = to+" was "+d.accepted(), "good"
			if d.Attach.Bytes > 0 {
				m.Title = to + " was accepted by the provider, with the recording"
			}
			if last {
				m.Said = d.answered()
			}
		case last && d.State == store.Dead:
			m.Title, m.Tone = to+" failed for good", "bad"
		case last && d.State == store.Unknown:
			m.Title, m.Tone = to+" may or may not have arrived", "warn"
		case deliver.AwaitsRecording(a.Err):
			m.Title, m.Tone = to+" waits for its recording", "warn"
		default:
			m.Title, m.Tone = to+" did not get through", "warn"
		}
		m.Title += " (attempt " + count(a.Number) + ", " + took(a.Took) + ")"
		all = append(all, m)
	}
	switch {
	case d.State == store.Shadow:
		all = append(all, moment{At: d.CreatedAt, Title: to + " was noted and not sent, since its rule is a trial"})
	case d.State == store.Dead && len(d.Attempts) == 0:
		all = append(all, moment{At: d.FinishedAt, Tone: "bad", Title: to + " cannot be sent", Said: d.LastError})
	}
	if d.Receipt != "" {
		all = append(all, d.receipt())
	}
	for _, o := range d.Operations {
		title := to + " was " + o.What + " by " + o.By
		switch {
		case o.By == store.Itself:
			title = d.byItself(o.What)
		case strings.HasSuffix(o.What, " the channel"):
			title = o.By + " " + o.What + " " + d.Channel
		case strings.HasSuffix(o.What, " the link"):
			title = o.By + " " + o.What + " in " + strings.Replace(to, "The", "the", 1)
		}
		all = append(all, moment{At: o.At, Title: title})
	}
	return all
}

// byItself says what Ringpost has noted with the delivery.
func (d *delivery) byItself(what string) string {
	if which, ok := strings.CutPrefix(what, store.FallbackNote); ok {
		return d.name() + " was not delivered, so its fallback took over: " + which
	}
	return d.name() + ": " + what
}

// receipt is what the provider said last of what it had accepted.
func (d *delivery) receipt() moment {
	m := moment{At: d.ReceiptAt}
	switch to := d.name(); d.Receipt {
	case callback.ReceiptDelivered:
		m.Title, m.Tone = to+" has reached the phone", "good"
	case callback.ReceiptUndelivered, callback.ReceiptFailed:
		m.Title, m.Tone, m.Said = to+" has not reached the phone", "bad", d.LastError
	case "sent":
		m.Title = to + " was handed to the phone’s carrier"
	default:
		m.Title = to + " is on its way at the provider (" + d.Receipt + ")"
	}
	return m
}

// accepted is what became of the delivery once the channel had it.
func (d *delivery) accepted() string {
	if d.Kind == render.Archive {
		return "archived"
	}
	return "accepted by the provider"
}

// answered is what the provider said when it accepted the delivery.
func (d *delivery) answered() string {
	switch {
	case d.ProviderID == "":
		return ""
	case d.Kind == render.Email:
		return "The mail server said: " + d.ProviderID
	case d.Kind == render.Archive:
		return "Its checksum is " + d.ProviderID
	}
	return "Its id at the provider is " + d.ProviderID
}

// name is what a timeline calls the delivery.
func (d *delivery) name() string {
	kind := "The message"
	switch d.Kind {
	case render.Email:
		kind = "The email"
	case render.SMS:
		kind = "The SMS"
	case render.Archive:
		return "The copy at " + orSelf(d.To, "no path")
	}
	if d.Who == "" {
		return kind
	}
	return kind + " to " + d.Who
}
