package rules

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"ringpost/relay/render"
)

// maxShown bounds what a sentence quotes of a value, in bytes: it stays one line.
const maxShown = 80

// Words says in a sentence what the rule does, for people who do not read the
// file. The book tells what its channels carry, and groups from people.
func (r *Rule) Words(b *Book) string {
	text := "for every callback"
	if !r.All {
		text = "when " + r.words("a recording")
	}
	if r.Unless != nil {
		text += ", unless " + r.Unless.words("it")
	}
	sends := make([]string, len(r.Send))
	for i := range r.Send {
		sends[i] = r.Send[i].words(b)
	}
	text += ": send " + inWords(sends, "and") + "."
	if r.Stop && !r.Shadow {
		text += " No later rule is looked at."
	}
	switch {
	case r.Enabled != nil && !*r.Enabled:
		return "Turned off: " + text
	case r.Shadow:
		return "Trial only (shadow), nothing is sent: " + text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// words says what must hold; subject is what the recording is called.
func (c *Conditions) words(subject string) string {
	var all []string
	if c.Status != nil {
		all = append(all, "is "+c.Status.words())
	}
	if c.Source != nil {
		all = append(all, "came by "+c.Source.words())
	}
	switch {
	case c.MinDuration != "" && c.MaxDuration != "":
		all = append(all, "lasts "+c.MinDuration+" to "+c.MaxDuration)
	case c.MinDuration != "":
		all = append(all, "lasts at least "+c.MinDuration)
	case c.MaxDuration != "":
		all = append(all, "lasts at most "+c.MaxDuration)
	}
	switch {
	case c.Late == nil:
	case *c.Late:
		all = append(all, "was received late")
	default:
		all = append(all, "was received in time")
	}
	if len(all) > 0 {
		all[0] = subject + " " + all[0]
	}
	for _, own := range []struct {
		what string
		list Patterns
	}{{"the number of audio channels", c.AudioChannels}, {"the account", c.Account}, {"the call", c.Call},
		{"the caller", c.From}, {"the called number", c.To}, {"the call's direction", c.Direction}} {
		if own.list != nil {
			all = append(all, own.what+" is "+own.list.words())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Query)) {
		all = append(all, "?"+name+"= is "+given(c.Query[name].words()))
	}
	for _, name := range slices.Sorted(maps.Keys(c.Field)) {
		all = append(all, "the callback's "+name+" is "+given(c.Field[name].words()))
	}
	return inWords(all, "and")
}

// given says of what may be missing what the words of its patterns come to.
func given(words string) string {
	switch words {
	case anything:
		return "given"
	case nothing:
		return "not given"
	}
	return words
}

// words says what is sent, how, and to whom.
func (s *Send) words(b *Book) string {
	if b.Channels[s.Via] == render.Archive {
		return s.archiveWords() + s.fallbackWords(b)
	}
	names := make([]string, len(s.To))
	for i, to := range s.To {
		names[i] = recipientWords(to, b)
	}
	what := kindWords(b.Channels[s.Via])
	if s.Attach != "" {
		what += " with the recording as " + strings.ToUpper(s.Attach)
	}
	text := what + " (channel " + s.Via + ", template " + s.Template + ") to " + inWords(names, "and")
	if s.Digest != "" {
		text += ", in digests of " + s.Digest
	}
	if s.Quiet != "" {
		text += ", but not in quiet hours (" + s.Quiet + ")"
	}
	return text + s.fallbackWords(b)
}

// fromQuery, fromField and fromCall are the templates of recipients that most rules have.
var (
	fromQuery = regexp.MustCompile("^{{-? *(?:\\.Query\\.(\\w+)|index \\.Query [\"`]([^\"`]+)[\"`]) *-?}}$")
	fromField = regexp.MustCompile("^{{-? *(?:\\.Fields\\.(\\w+)|index \\.Fields [\"`]([^\"`]+)[\"`]) *-?}}$")
	fromCall  = regexp.MustCompile(`^{{-? *contact \.Call\.(From|To) *-?}}$`)
)

func recipientWords(to string, b *Book) string {
	if m := fromQuery.FindStringSubmatch(to); m != nil {
		return "whoever ?" + m[1] + m[2] + "= names"
	}
	if m := fromField.FindStringSubmatch(to); m != nil {
		return "whoever the callback's " + m[1] + m[2] + " names"
	}
	if m := fromCall.FindStringSubmatch(to); m != nil {
		return map[string]string{"From": "the contact who called", "To": "the contact who was called"}[m[1]]
	}
	if strings.Contains(to, "{{") {
		return "whoever " + to + " names"
	}
	for group := range b.Groups {
		if fold(group) == fold(to) {
			return "the group " + to
		}
	}
	return to
}

// kindWords is one message of that kind.
func kindWords(kind string) string {
	switch kind {
	case render.Email:
		return "an email"
	case render.SMS:
		return "an SMS"
	case render.Log:
		return "an entry of the log"
	case render.Archive:
		return "a copy"
	}
	return "a message"
}

// What a list of patterns can come to, beside values.
const (
	anything = "anything"
	nothing  = "nothing"
)

// words says what value the patterns want.
func (p Patterns) words() string {
	var some, none []string
	for _, source := range p {
		body, negated := strings.CutPrefix(source, "!")
		if negated {
			none = append(none, patternWords(body))
		} else {
			some = append(some, patternWords(body))
		}
	}
	switch {
	case len(none) == 0:
		return inWords(some, "or")
	case len(some) > 0:
		return inWords(some, "or") + ", but not " + inWords(none, "or")
	case slices.Contains(none, anything):
		return nothing
	case len(none) == 1 && none[0] == nothing:
		return anything
	}
	return "anything but " + inWords(none, "or")
}

func patternWords(source string) string {
	switch source {
	case "":
		return nothing
	case "*":
		return anything
	}
	return shown(source)
}

// shown returns a value as a sentence may hold it: quoted unless it is one
// plain word, and not whole where it is long. It may be anybody's.
func shown(value string) string {
	long := len(value) > maxShown
	if long {
		value = strings.ToValidUTF8(value[:maxShown], "")
	}
	if !plainWord(value) {
		value = strconv.Quote(value)
	}
	if long {
		value += "…"
	}
	return value
}

func plainWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`"',;`, r)
	})
}

// inWords joins items as a sentence does: a, b and c.
func inWords(items []string, word string) string {
	last := len(items) - 1
	if last < 1 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:last], ", ") + " " + word + " " + items[last]
}

// SourceInWords says what the source of a recording means; empty where it is not
// a known one.
func SourceInWords(source string) string { return sourceWords[strings.ToLower(source)] }

// sourceWords are what the sources of recordings mean, by their folded names;
// SignalWire and Twilio spell them differently.
var sourceWords = map[string]string{
	"dialverb":                    "Dialled call",
	"conference":                  "Conference",
	"outboundapi":                 "Outgoing call",
	"trunking":                    "Trunk call",
	"recordverb":                  "Voicemail",
	"startcallrecordingapi":       "Call, recorded on demand",
	"startconferencerecording":    "Conference, recorded on demand",
	"startconferencerecordingapi": "Conference, recorded on demand",
}
