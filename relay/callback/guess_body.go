package callback

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// unchangedBody ends what is said of a body that was changed on its way.
const unchangedBody = "; have the proxy pass the body on as it is"

// otherBodies are the body as it may have been before it was changed.
func (d *doctor) otherBodies(r *Request) []guess {
	switch r.format {
	case formatJSON:
		return d.otherJSON(r)
	case formatForm:
		return append(d.otherForms(r), d.otherFields(r)...)
	}
	// The fields of a form, which something has put into the address.
	path, _, _ := strings.Cut(r.Target, "?")
	changed := *r
	changed.Target, changed.format = path, formatForm
	return []guess{d.otherwise(changed, "it was signed as a form sent by POST: something made a GET of it, as a redirect does; "+
		"give SignalWire the address that answers itself")}
}

// otherJSON are a JSON body's.
func (d *doctor) otherJSON(r *Request) (all []guess) {
	for _, body := range respellBody(r.Body) {
		changed := *r
		changed.Body = body
		all = append(all, d.otherwise(changed, "it was signed with other white space in the body"+unchangedBody))
	}
	form := *r
	form.format = formatForm
	all = append(all, d.otherwise(form, "it was signed as a form: something made JSON of the body"+unchangedBody))
	form.params = nil
	return append(all, d.otherwise(form, bareAddress))
}

const bareAddress = "it was signed over the address alone and not over the body, which anybody could change: " +
	"that is refused; something has added the body or changed its type" + unchangedBody

const plusForSpace = "it was signed with a + where the form now has a space: something wrote + for %2B"

// number is a phone number that has lost its +.
var number = regexp.MustCompile(`^ ([0-9]+)$`)

// respellBody returns a body with the white space that it may have had.
func respellBody(body []byte) [][]byte {
	all := [][]byte{
		bytes.TrimSpace(body), append(bytes.Clone(body), '\n'), append(bytes.Clone(body), '\r', '\n'),
		bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")), bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")),
	}
	var compact bytes.Buffer
	if json.Compact(&compact, body) == nil {
		all = append(all, compact.Bytes())
	}
	return all
}

// otherForms are a form's: it as a whole.
func (d *doctor) otherForms(r *Request) (all []guess) {
	bare := *r
	bare.params = nil
	raw := *r
	raw.format = formatJSON
	with := *r
	with.params = slices.Concat(r.params, r.query)
	all = []guess{
		d.otherwise(bare, bareAddress),
		d.otherwise(raw, "it was signed over the body as it is, as JSON is: something changed its content type"+unchangedBody),
		d.otherwise(with, "it was signed with the query's parameters among the form's: SignalWire and Twilio sign the query "+
			"as a part of the address alone"),
	}
	for _, body := range respellBody(r.Body) {
		changed := *r
		if changed.Body = body; changed.Decode() == nil {
			all = append(all, d.otherwise(changed, "it was signed with other white space in the body"+unchangedBody))
		}
	}
	literal := *r
	literal.Body = bytes.ReplaceAll(r.Body, []byte("+"), []byte("%2B"))
	if literal.Decode() == nil {
		all = append(all, d.otherwise(literal, plusForSpace+unchangedBody))
	}
	var encoded []param
	for pair := range strings.SplitSeq(string(r.Body), "&") {
		name, value, _ := strings.Cut(pair, "=")
		encoded = append(encoded, param{name, value})
	}
	as := *r
	as.params = encoded
	return append(all, d.otherwise(as, "it was signed over the fields as they are encoded (%20 and so on): the sender must sign them decoded"))
}

// otherFields are a form's with the fields otherwise.
func (d *doctor) otherFields(r *Request) (all []guess) {
	each := func(finding string, change func(param) (param, bool)) {
		changed := *r
		changed.params = nil
		for _, p := range r.params {
			if p, keep := change(p); keep {
				changed.params = append(changed.params, p)
			}
		}
		if !slices.Equal(changed.params, r.params) {
			all = append(all, d.otherwise(changed, finding+unchangedBody))
		}
	}
	value := func(change func(string) string) func(param) (param, bool) {
		return func(p param) (param, bool) { return param{p.name, change(p.value)}, true }
	}
	each("it was signed without white space around the values", value(strings.TrimSpace))
	each(plusForSpace, value(func(s string) string { return strings.ReplaceAll(s, " ", "+") }))
	each(plusForSpace, value(func(s string) string { return number.ReplaceAllString(s, "+$1") }))
	each("it was signed with a space where the form now has a +", value(func(s string) string { return strings.ReplaceAll(s, "+", " ") }))
	each("it was signed with %20 where the form now has a space", value(func(s string) string { return strings.ReplaceAll(s, " ", "%20") }))
	each("it was signed with values that are encoded once less: they were encoded twice", value(func(s string) string {
		if plain, err := url.QueryUnescape(s); err == nil {
			return plain
		}
		return s
	}))
	each("it was signed with line ends of LF alone", value(func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }))
	each("it was signed with line ends of CR and LF", value(func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }))
	each("it was signed in UTF-8, and the body is in Latin-1", value(fromLatin1))
	each("it was signed without the fields that are empty", func(p param) (param, bool) { return p, p.value != "" })
	each("it was signed with names in other capitals, such as RecordingSid", func(p param) (param, bool) {
		for _, name := range knownNames {
			if strings.EqualFold(name, p.name) {
				return param{name, p.value}, true
			}
		}
		return p, true
	})
	for i := range r.params[:min(len(r.params), maxDropped)] {
		less := *r
		less.params = slices.Delete(slices.Clone(r.params), i, i+1)
		all = append(all, d.otherwise(less, fmt.Sprintf("it was signed without the field %q: something has added that", r.params[i].name)+unchangedBody))
	}
	return all
}

// knownNames are the fields that senders sign, as they spell them.
var knownNames = []string{"AccountSid", "ApiVersion", "CallSid", "ErrorCode", "RecordingChannels", "RecordingDuration",
	"RecordingSid", "RecordingSource", "RecordingStartTime", "RecordingStatus", "RecordingTrack", "RecordingUrl"}

func fromLatin1(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
