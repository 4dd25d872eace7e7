package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// stateWords are what the states of deliveries are called here, where not
// everybody is a programmer.
var stateWords = map[store.State]string{
	store.Queued:    "waiting",
	store.Sending:   "being sent",
	store.Retrying:  "trying again",
	store.Delivered: "delivered",
	store.Dead:      "not delivered",
	store.Cancelled: "cancelled",
	store.Unknown:   "uncertain",
	store.Shadow:    "trial only",
	collecting:      "in a digest",
}

// collecting stands in a chip for the state of what waits in a digest, which is no
// delivery yet.
const collecting store.State = "collecting"

// statusWords are what the statuses of recordings mean.
var statusWords = map[string]string{
	"in-progress": "Recording",
	"completed":   "Recorded",
	"absent":      "No audio",
	"failed":      "Failed",
	"missing":     "Missing",
	"undelivered": "Not told",
}

// kindWords are what the kinds of messages are called.
var kindWords = map[string]string{
	render.Email: "Email",
	render.SMS:   "SMS",
	render.Log:   "Log",

	render.Archive: "Archive",
}

func inStateWords(s store.State) string { return orSelf(stateWords[s], string(s)) }

func inStatusWords(status string) string { return orSelf(statusWords[status], status) }

func inSourceWords(source string) string { return orSelf(rules.SourceInWords(source), source) }

func inKindWords(kind string) string { return orSelf(kindWords[kind], kind) }

func orSelf(words, name string) string {
	if words == "" {
		return name
	}
	return words
}

// clock is a time of day in the server's zone, with what of the date is not
// plain.
func clock(t, now time.Time) string {
	t, now = t.Local(), now.Local()
	layout := "2 Jan 2006, 15:04:05 MST"
	if t.Year() == now.Year() {
		layout = "2 Jan, 15:04:05 MST"
	}
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		layout = "15:04:05 MST"
	}
	return t.Format(layout)
}

// exact is all there is to say about a time.
func exact(t time.Time) string {
	return t.Local().Format("Monday, 2 January 2006, 15:04:05.000 MST (UTC-07:00)")
}

// zone names the server's zone.
func zone(now time.Time) string {
	name, offset := now.Local().Zone()
	if offset == 0 {
		return name
	}
	return name + " (UTC" + now.Local().Format("-07:00") + ")"
}

// ago says how long before now t was, or how long after. page.js says the same
// while the page stays open.
func ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d.Abs() < 10*time.Second: // the database's clock may be another
		return "just now"
	case d < 0:
		return "in " + span(-d)
	}
	return span(d) + " ago"
}

// span is a length of time in one unit.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(1, int(d/time.Second)))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d/time.Minute))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d/time.Hour))
	}
	return fmt.Sprintf("%d days", int(d/(24*time.Hour)))
}

// length is how long a recording is.
func length(seconds int) string {
	h, m, s := seconds/3600, seconds/60%60, seconds%60
	switch {
	case h > 0:
		return fmt.Sprintf("%d h %d min", h, m)
	case m > 0:
		return fmt.Sprintf("%d min %d s", m, s)
	}
	return fmt.Sprintf("%d s", s)
}

// took is how long an attempt was under way.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return "less than 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// count writes a number with its thousands apart.
func count[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 && digits[i-1] != '-' {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// plural is n of what is called one, or many.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

// sentence makes a sentence of what the service says in half of one.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}
