package rules_test

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"ringpost/relay/callback"
	"ringpost/relay/rules"
)

// missing stands for a query without the parameter.
const missing = "\x00"

// matches reports whether a rule with these patterns for the query's agent
// matches a callback with that agent.
func matches(t *testing.T, value string, patterns ...string) bool {
	t.Helper()
	set := compile(t, rules.Rule{Name: "r", Conditions: rules.Conditions{Query: map[string]rules.Patterns{"agent": patterns}}, Send: by("alice")})
	cb := &callback.Callback{Query: map[string]string{"agent": value}}
	if value == missing {
		cb.Query = nil
	}
	_, matched := set.Evaluate(cb)
	return len(matched) == 1
}

func TestPatternsMatchAsTheyRead(t *testing.T) {
	for _, test := range []struct {
		patterns []string
		yes, no  []string
	}{
		{[]string{"alice"}, []string{"alice", "ALICE", "aLiCe"}, []string{"alice2", "malice", "", missing, " alice"}},
		{[]string{"ÄRZTIN"}, []string{"ärztin", "Ärztin"}, []string{"arztin"}},
		{[]string{""}, []string{"", missing}, []string{"x", " "}},
		{[]string{"*"}, []string{"x", "*", " "}, []string{"", missing}},
		{[]string{"**"}, []string{"x"}, []string{"", missing}},
		{[]string{"al*"}, []string{"al", "alice", "AL*"}, []string{"a", "", missing, "mal"}},
		{[]string{"*ce"}, []string{"ce", "alice", "cece"}, []string{"c", "alices", missing}},
		{[]string{"a*e"}, []string{"ae", "alice", "aee"}, []string{"a", "e", "alices"}},
		{[]string{"a*a"}, []string{"aa", "aba"}, []string{"a"}},
		{[]string{"*li*"}, []string{"li", "alice", "lili"}, []string{"ice", "il"}},
		{[]string{"a*b*c"}, []string{"abc", "a-b-c", "abbcc", "abcbc"}, []string{"ac", "acb", "ab", "bc"}},
		{[]string{"ab*ba"}, []string{"abba", "ab.ba"}, []string{"aba"}},
		{[]string{"a.c"}, []string{"a.c"}, []string{"abc"}},
		{[]string{"!alice"}, []string{"bob", "", missing, "alice2"}, []string{"alice", "ALICE"}},
		{[]string{"!*"}, []string{"", missing}, []string{"x"}},
		{[]string{"!"}, []string{"x"}, []string{"", missing}},
		{[]string{"!/^a/"}, []string{"bob", missing}, []string{"alice", "Alice"}},
		{[]string{"!!a"}, []string{"a", ""}, []string{"!a"}},
		{[]string{"/ali(ce|na)/"}, []string{"alice", "ALINA", "malice"}, []string{"ali", missing}},
		{[]string{"/^A.C$/"}, []string{"abc", "ABC"}, []string{"abcd"}},
		{[]string{"/^a$|^b$/"}, []string{"a", "B"}, []string{"ab", "c"}},
		{[]string{"/[A-Z]{3}/"}, []string{"abc", "ABC"}, []string{"ab"}},
		{[]string{`/^\d+$/`}, []string{"0", "42"}, []string{"4x", missing}},
		{[]string{`/\Qa+b/`}, []string{"A+B"}, []string{"aab"}},
		{[]string{"//"}, []string{"x", "", missing}, nil},
		{[]string{"/"}, []string{"/"}, []string{"x"}},
		{[]string{"/a"}, []string{"/A"}, []string{"a"}},
		{[]string{"alice", "bob"}, []string{"alice", "Bob"}, []string{"carol", missing}},
		{[]string{"a*", "!alice"}, []string{"a", "alina"}, []string{"alice", "bob", missing}},
		{[]string{"!alice", "a*", "b*"}, []string{"alina", "bob"}, []string{"alice", "carol"}},
		{[]string{"!alice", "!bob"}, []string{"carol", missing}, []string{"alice", "bob"}},
		{[]string{"alice", "!alice"}, nil, []string{"alice", "bob", missing}},
		{[]string{"", "a*"}, []string{"", missing, "alice"}, []string{"bob"}},
		{[]string{"a*", "al*", "ALICE"}, []string{"alice", "al", "a"}, []string{"bob"}},
	} {
		for _, value := range test.yes {
			if !matches(t, value, test.patterns...) {
				t.Errorf("query.agent = %q: %q does not match, want a match", test.patterns, value)
			}
		}
		for _, value := range test.no {
			if matches(t, value, test.patterns...) {
				t.Errorf("query.agent = %q: %q matches, want no match", test.patterns, value)
			}
		}
	}
}

func TestSourcesOfBothVendorsAreTheSame(t *testing.T) {
	for _, test := range []struct {
		patterns rules.Patterns
		yes, no  []string
	}{
		{rules.Patterns{"OutBoundApi"}, []string{"OutBoundApi", "OutboundAPI"}, []string{"DialVerb", ""}},
		{rules.Patterns{"OutboundAPI"}, []string{"OutBoundApi", "OutboundAPI"}, nil},
		{rules.Patterns{"StartCallRecordingAPI"}, []string{"StartCallRecordingApi", "StartCallRecordingAPI"}, []string{"StartConferenceRecording"}},
		{rules.Patterns{"StartConferenceRecording"}, []string{"StartConferenceRecording", "StartConferenceRecordingAPI"}, nil},
		{rules.Patterns{"StartConferenceRecordingAPI"}, []string{"StartConferenceRecording", "StartConferenceRecordingAPI"}, nil},
		{rules.Patterns{"*Api"}, []string{"OutBoundApi", "StartConferenceRecordingAPI", "StartConferenceRecording"}, []string{"DialVerb"}},
		{rules.Patterns{"*Recording"}, []string{"StartConferenceRecording", "StartConferenceRecordingAPI"}, []string{"StartCallRecordingApi"}},
		{rules.Patterns{"/ferenceRecordingAPI$/"}, []string{"StartConferenceRecording", "StartConferenceRecordingAPI"}, []string{"OutBoundApi"}},
		{rules.Patterns{"!*API"}, []string{"DialVerb", ""}, []string{"StartConferenceRecording", "StartConferenceRecordingAPI", "OutBoundApi"}},
		{rules.Patterns{"!StartConferenceRecordingAPI"}, []string{"DialVerb"}, []string{"StartConferenceRecording", "StartConferenceRecordingAPI"}},
		{rules.Patterns{""}, []string{""}, []string{"DialVerb"}},
		{rules.Patterns{"Siprec*"}, []string{"SIPREC"}, []string{"DialVerb"}},
	} {
		set := compile(t, rules.Rule{Name: "r", Conditions: rules.Conditions{Source: test.patterns}, Send: by("alice")})
		for want, sources := range map[bool][]string{true: test.yes, false: test.no} {
			for _, source := range sources {
				_, matched := set.Evaluate(&callback.Callback{RecordingSource: source})
				if got := len(matched) == 1; got != want {
					t.Errorf("source = %q: Evaluate of %q matches: %v, want %v", test.patterns, source, got, want)
				}
			}
		}
	}
}

// FuzzPatternsMatchLikeTheRegularExpressionTheyStandFor compares every kind of
// pattern with a regular expression that says the same.
func FuzzPatternsMatchLikeTheRegularExpressionTheyStandFor(f *testing.F) {
	for _, seed := range [][2]string{{"alice", "ALICE"}, {"a*", "abc"}, {"*", ""}, {"!*c", "abC"}, {"a*b*a", "aba"},
		{"/^a.c$/", "ABC"}, {"!/(/", "x"}, {"/a)|(b/", "b"}, {"", ""}, {"**x**", "x"}, {"İ*", "i"}, {"ſ", "S"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, source, value string) {
		if !utf8.ValidString(source) || !utf8.ValidString(value) || len(source) > 1000 {
			return // TOML files and callbacks hold valid UTF-8
		}
		set, problems := rules.Compile([]rules.Rule{{Name: "r", Send: by("alice"),
			Conditions: rules.Conditions{Query: map[string]rules.Patterns{"agent": {source}}}}}, book())
		body, negated := strings.CutPrefix(source, "!")
		expression := asRegexp(body)
		want, err := regexp.Compile(expression)
		if err != nil || len(problems) > 0 {
			if (err != nil) != (len(problems) > 0) {
				t.Fatalf("Compile(%q): got problems %q, want %v", source, problems, err)
			}
			return
		}
		_, matched := set.Evaluate(&callback.Callback{Query: map[string]string{"agent": value}})
		if got, want := len(matched) == 1, want.MatchString(strings.ToLower(value)) != negated; got != want {
			t.Errorf("query.agent = %q: %q matches: %v, want %v as by %s", source, value, got, want, expression)
		}
	})
}

// asRegexp returns the regular expression that a pattern without its ! stands for.
func asRegexp(pattern string) string {
	if len(pattern) >= 2 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") {
		return "(?i)" + pattern[1:len(pattern)-1]
	}
	if pattern != "" && strings.Trim(pattern, "*") == "" {
		return `(?s)\A.+\z`
	}
	parts := strings.Split(strings.ToLower(pattern), "*")
	for i, part := range parts {
		parts[i] = regexp.QuoteMeta(part)
	}
	return `(?s)\A` + strings.Join(parts, ".*") + `\z`
}
