package rules_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"ringpost/relay/rules"
)

// ask returns what one rule asks for that tells to through channel.
func ask(t *testing.T, channel, to string, query map[string]string) []rules.Delivery {
	t.Helper()
	set := compile(t, rules.Rule{Name: "r", All: true, Send: []rules.Send{{Via: channel, To: rules.Patterns{to}, Template: "recording"}}})
	cb := call()
	cb.Query = query
	deliveries, _ := set.Evaluate(cb)
	return deliveries
}

func TestARecipientIsWhoTheChannelCanReach(t *testing.T) {
	for _, test := range []struct {
		channel, to string
		want        []string
	}{
		{"email", "alice", []string{"alice@example.com"}},
		{"email", "ALICE", []string{"alice@example.com"}},
		{"email", "dave@example.com", []string{"dave@example.com"}},
		{"email", "managers", []string{"alice@example.com", "carol@example.com"}},
		{"email", "Managers", []string{"alice@example.com", "carol@example.com"}},
		{"sms", "alice", []string{"+15550100001"}},
		{"sms", "+15550100003", []string{"+15550100003"}},
		{"sms", "oncall", []string{"+15550100001", "+15550100009"}},
		{"console", "alice", []string{"alice@example.com"}},
		{"console", "bob", []string{"+15550100002"}},
		{"console", "mixed", []string{"alice@example.com", "+15550100002", "carol@example.com"}},
		{"console", "+15550100003", []string{"+15550100003"}},
		{"console", "dave@example.com", []string{"dave@example.com"}},
	} {
		literal := ask(t, test.channel, test.to, nil)
		template := ask(t, test.channel, "{{.Query.who}}", map[string]string{"who": test.to})
		for source, deliveries := range map[string][]rules.Delivery{"literal": literal, "template": template} {
			var got []string
			for _, d := range deliveries {
				got = append(got, d.To)
				if d.Problem != "" || d.Channel != test.channel {
					t.Errorf("%s, %s %s: got %+v, want no problem", test.channel, source, test.to, d)
				}
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s, %s %s: got %q, want %q", test.channel, source, test.to, got, test.want)
			}
		}
	}
}

func TestARecipientThatIsNobodyIsAProblemInPlainWords(t *testing.T) {
	const template = "{{.Query.who}}"
	who := func(s string) map[string]string { return map[string]string{"who": s} }
	for _, test := range []struct {
		channel, to string
		query       map[string]string
		want        string
	}{
		{"sms", template, who("carol"), `contact "carol" has no phone number such as +15550100001`},
		{"email", template, who("bob"), `contact "bob" has no email address`},
		{"email", template, who("dave"), `"dave" is no contact, no group and no email address`},
		{"console", template, who("dave"), `"dave" is no contact, no group and no address`},
		{"email", template, who("+15550100077"), `"+*********77" is no contact, no group and no email address`},
		{"sms", template, who("(555) 010-0077"), `"(***) ***-**77" is no contact, no group and no phone number such as +15550100001`},
		{"sms", template, who("15550100077 or 15550100078"), `"*********** or *********78" is no contact, no group and no phone number such as +15550100001`},
		{"sms", template, who("dave@example.com"), `"dave@example.com" is no contact, no group and no phone number such as +15550100001`},
		{"email", template, who("Alice <alice@example.com>"), `"Alice <alice@example.com>" is no contact, no group and no email address`},
		{"email", template, who("alice, carol"), `"alice, carol" is no contact, no group and no email address`},
		{"email", template, who("\x1b[31m\"'" + strings.Repeat("é", 100)), `"[31m\"'` + strings.Repeat("é", 29) + `…" is no contact, no group and no email address`},
		{"email", template, who(""), "the recipient is empty: the rule's template yields nothing for this callback"},
		{"email", "{{index .Query \"who\"}}", nil, "the recipient is empty: the rule's template yields nothing for this callback"},
		{"email", "{{if false}}alice{{end}} ", nil, "the recipient is empty: the rule's template yields nothing for this callback"},
	} {
		got := ask(t, test.channel, test.to, test.query)
		if len(got) != 1 || got[0].Problem != test.want || got[0].To != "" {
			t.Errorf("%s to %s of %q: got %+v\nwant one problem: %s", test.channel, test.to, test.query, got, test.want)
		}
	}
}

func TestATemplateThatFailsIsAProblemThatSaysWhatIsMissing(t *testing.T) {
	got := ask(t, "sms", "{{.Query.who}}", map[string]string{"agent": "+15550100077"})
	if len(got) != 1 || !strings.HasPrefix(got[0].Problem, "the recipient is not known: ") ||
		!strings.Contains(got[0].Problem, "?who= is missing from the callback's address") {
		t.Errorf(`{{.Query.who}} of a query without who: got %+v, want the problem that ?who= is missing`, got)
	}
}

func TestAGroupTellsWhomItCanAndNamesWhomItCannot(t *testing.T) {
	got := written(ask(t, "sms", "{{.Query.who}}", map[string]string{"who": "mixed"}))
	want := []string{"r: sms:+15550100001", "r: sms:+15550100002", `r: sms:! group "mixed": contact "carol" has no phone number such as +15550100001`}
	if !slices.Equal(got, want) {
		t.Errorf("sms to the group mixed: got %q\nwant %q", got, want)
	}
}

func TestATemplateSeesTheCallbackAndTheRule(t *testing.T) {
	got := written(ask(t, "email", `{{lower .RecordingSource}}.{{.Rule}}.{{.Fields.ApiVersion}}.{{.Query.agent}}@example.com`,
		map[string]string{"agent": "Ann"}))
	if want := []string{"r: email:dialverb.r.2010-04-01.Ann@example.com"}; !slices.Equal(got, want) {
		t.Errorf("template: got %q, want %q", got, want)
	}
}

func TestIsEmailTakesBareAddressesOnly(t *testing.T) {
	for address, want := range map[string]bool{
		"alice@example.com":                       true,
		"a.b+c@mail.example.com":                  true,
		"alice@localhost":                         true,
		"ärztin@bücher.example":                   true,
		strings.Repeat("a", 242) + "@example.com": true,
		strings.Repeat("a", 243) + "@example.com": false,
		"":                          false,
		"alice":                     false,
		"@example.com":              false,
		"alice@":                    false,
		"alice@example.com ":        false,
		" alice@example.com":        false,
		"<alice@example.com>":       false,
		"Alice <alice@example.com>": false,
		"alice@example.com (Alice)": false,
		"alice@example.com,b@x.com": false,
		"a@example.com\r\nBcc: b@x": false,
		"alice@example.com\x00":     false,
		"alice\x7f@example.com":     false,
		"\"a b\"@example.com":       false,
		"alice@exa\u00a0mple.com":   false,
		"alice@example.com\u2028":   false,
		"alice@\xffexample.com":     false,
		"alice@@example.com":        false,
		"group: alice@example.com;": false,
		"=?utf-8?q?a?= <a@x.com>":   false,
		"mailto:alice@example.com":  false,
	} {
		if got := rules.IsEmail(address); got != want {
			t.Errorf("IsEmail(%q): got %v, want %v", address, got, want)
		}
	}
}

func TestIsPhoneTakesE164Only(t *testing.T) {
	for number, want := range map[string]bool{
		"+15550100001":      true,
		"+4930123456":       true,
		"+1234567":          true,
		"+123456789012345":  true,
		"+1234567890123456": false,
		"+123456":           false,
		"15550100001":       false,
		"+05550100001":      false,
		"+1 555 010 0001":   false,
		"+1555-010-0001":    false,
		"+15550100001\n":    false,
		"+١٢٣٤٥٦٧٨":         false,
		"+":                 false,
		"":                  false,
		"tel:+15550100001":  false,
		"+1555010000a":      false,
	} {
		if got := rules.IsPhone(number); got != want {
			t.Errorf("IsPhone(%q): got %v, want %v", number, got, want)
		}
	}
}

// FuzzARecipientIsAnAddressOrAProblem feeds a callback's words to a template:
// whatever they are, there is one address or one reason, and no reason shows a
// phone number.
func FuzzARecipientIsAnAddressOrAProblem(f *testing.F) {
	for _, seed := range []string{"alice", "managers", "+15550100001", "1 (555) 010-0001", "a@b", "", "\r\nBcc: x@y", "{{.To}}", "<no value>", strings.Repeat("7", 90), "\xb8000000"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, who string) {
		for channel, valid := range map[string]func(string) bool{"email": rules.IsEmail, "sms": rules.IsPhone} {
			deliveries := ask(t, channel, "{{.Query.who}}", map[string]string{"who": who})
			if len(deliveries) == 0 {
				t.Fatalf("%s to %q: got no delivery, want one or more", channel, who)
			}
			for _, d := range deliveries {
				if (d.Problem == "") != valid(d.To) || d.Problem != "" && d.To != "" {
					t.Errorf("%s to %q: got %+v, want an address or a problem", channel, who, d)
				}
				words := strings.ReplaceAll(d.Problem, "+15550100001", "") // the example
				words = escape.ReplaceAllString(words, "")                 // has digits of its own
				if longest := longestDigits(words); longest >= 7 {
					t.Errorf("%s to %q: got the problem %q, want fewer than 7 digits in a row", channel, who, d.Problem)
				}
			}
		}
	})
}

// escape is what [strconv.Quote] makes of a character that cannot be shown.
var escape = regexp.MustCompile(`\\(?:\\|x..|u.{4}|U.{8})`)

// longestDigits returns how many digits stand together in s at most.
func longestDigits(s string) (longest int) {
	n := 0
	for _, r := range s {
		if n++; !unicode.IsDigit(r) {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

func TestAnAddressIsAContactsOrOneOfTheChannelsKind(t *testing.T) {
	set := compile(t)
	for _, test := range []struct{ name, kind, want, problem string }{
		{"Alice", "email", "alice@example.com", ""},
		{"alice", "sms", "+15550100001", ""},
		{"bob", "log", "+15550100002", ""},
		{"dora@example.com", "email", "dora@example.com", ""},
		{"+15550100077", "sms", "+15550100077", ""},
		{"carol", "sms", "", `contact "carol" has no phone number such as +15550100001`},
		{"+15550100077", "email", "", `"+*********77" is no contact, no group and no email address`},
		{"5550100077", "sms", "", `"********77" is no contact, no group and no phone number such as +15550100001`},
		{"managers", "email", "", `"managers" is a group: want one contact or email address`},
		{"", "email", "", `"" is no contact, no group and no email address`},
	} {
		got, err := set.Address(test.name, test.kind)
		problem := ""
		if err != nil {
			problem = err.Error()
		}
		if got != test.want || problem != test.problem {
			t.Errorf("Address(%q, %s) = %q, %q; want %q, %q", test.name, test.kind, got, problem, test.want, test.problem)
		}
	}
}
