package config_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/config"
)

func TestLinksLastAMonthOrAsLongAsWhatTheyOpen(t *testing.T) {
	for _, test := range []struct {
		add  string
		want time.Duration
	}{
		{"", 30 * 24 * time.Hour},
		{"[store]\nkeep = \"7d\"\n", 7 * 24 * time.Hour},
		{"[store]\nkeep = \"7d\"\n[links]\nttl = \"3d12h\"\n", 84 * time.Hour},
		{"[links]\nttl = \"90d\"\n", 90 * 24 * time.Hour},
	} {
		if got := mustParse(t, base+test.add+anyRule, nil).Links.TTL; got != test.want {
			t.Errorf("with %q links last %v, want %v", test.add, got, test.want)
		}
	}
	if _, problems := parse(base+"[links]\nttl = \"59s\"\n"+anyRule, nil, config.Serve); len(problems) != 1 || !strings.Contains(problems[0].Text, "want at least 1m") {
		t.Errorf("with a ttl of 59s: %v, want one problem", problems)
	}
	if _, problems := parse(base+"[links]\nttl = \"71h\"\n"+anyRule, nil, config.Serve); len(problems) != 1 || !problems[0].Warning ||
		!strings.Contains(problems[0].Text, "delivered late may hold a link that has expired") {
		t.Errorf("with a ttl that is shorter than a message may take: %v, want a warning", problems)
	}
}

func TestHostsThatAreAllowedAreReadInLowerCase(t *testing.T) {
	c := mustParse(t, base+"[links]\nallow_hosts = [\"Recordings.Example.com\", \"b.example\"]\n"+anyRule, nil)
	if want := []string{"recordings.example.com", "b.example"}; !slices.Equal(c.Links.AllowHosts, want) {
		t.Errorf("allow_hosts = %q, want %q", c.Links.AllowHosts, want)
	}
}

// A link that leads nowhere must not go out, and one that may lead somewhere once
// the environment is known is no fault.
func TestATemplateWithALinkNeedsThePublicURL(t *testing.T) {
	rule := strings.Replace(anyRule, `template = "recording"`, `template = "link"`, 1)
	trial := strings.Replace(base, `public_url = "https://hooks.example.com"`, "", 1)
	trial = strings.Replace(trial, `signing_keys = ["PSK_1"]`, "unsigned = true", 1)
	mustParse(t, base+rule, nil)
	mustParse(t, trial+anyRule, nil)
	if _, problems := parse(trial+rule, nil, config.Serve); len(problems) != 1 || !strings.Contains(problems[0].Text, "public_url: want that too") {
		t.Errorf("without public_url: %v, want one problem that names it", problems)
	}
	unset := strings.Replace(base, "https://hooks.example.com", "${PUBLIC_URL}", 1)
	if _, problems := parse(unset+rule, nil, config.Check); len(problems) != 1 || !problems[0].Warning {
		t.Errorf("with a public_url that is not set: %v, want that one warning", problems)
	}
}
