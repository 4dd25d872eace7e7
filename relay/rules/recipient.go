package rules

import (
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"ringpost/relay/render"
)

// maxAddress is the longest an email address may be (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

// e164 is a phone number in international form (ITU-T E.164).
var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

// recipient is a compiled entry of a send's to.
type recipient struct {
	fixed    []found
	template *render.Text // nil where fixed is the answer
	call     bool         // the template looks at what the provider says of the call
}

// resolve returns whom the recipient stands for. Nobody is an answer with a
// problem, never an empty one.
func (r *recipient) resolve(b *book, kind string, data render.Data) []found {
	if r.template == nil {
		return r.fixed
	}
	d := data // escapes, which costs nothing above
	name, err := r.template.Execute(&d)
	switch {
	case err != nil && kind == render.Archive:
		return []found{{problem: "the path is not known: " + err.Error()}}
	case err != nil:
		return []found{{problem: "the recipient is not known: " + err.Error()}}
	case name == "" && r.call && !isKnown(data.Call):
		return []found{{problem: "the recipient is not known: " + whyUnknown(data.Callback)}}
	case name == "":
		return []found{{problem: "the recipient is empty: the rule's template yields nothing for this callback"}}
	}
	if kind == render.Archive {
		return archived(name)
	}
	return b.lookUp(name, kind)
}

// needs names the kind of address that a channel of kind takes.
func needs(kind string) string {
	switch kind {
	case render.Email:
		return "email address"
	case render.SMS:
		return "phone number such as +15550100001"
	case render.Archive:
		return "path such as test/ringpost.txt"
	}
	return "address"
}

func isAddress(s, kind string) bool {
	switch kind {
	case render.Email:
		return IsEmail(s)
	case render.SMS:
		return IsPhone(s)
	case render.Archive:
		return isPath(s)
	}
	return IsEmail(s) || IsPhone(s)
}

// IsEmail reports whether s is a bare email address.
func IsEmail(s string) bool {
	if len(s) > maxAddress || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && a.Name == ""
}

// IsPhone reports whether s is a phone number in E.164 form.
func IsPhone(s string) bool { return e164.MatchString(s) }

// quote quotes a name for an error. Of one that may hold a phone number, only
// the last two digits are shown.
func quote(s string) string {
	digits := 0
	for _, r := range s {
		if unicode.IsDigit(r) {
			digits++
		}
	}
	if digits >= 7 { // the shortest there are
		s = strings.Map(func(r rune) rune {
			if !unicode.IsDigit(r) {
				return r
			}
			if digits--; digits >= 2 {
				return '*'
			}
			return r
		}, s)
	}
	if len(s) > 64 {
		s = strings.ToValidUTF8(s[:64], "") + "…"
	}
	return strconv.Quote(s)
}
