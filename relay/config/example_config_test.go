package config_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"ringpost/relay/config"
)

func TestExampleIsAccepted(t *testing.T) {
	src, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	c, problems := parse(string(src), nil, config.Check)
	for _, p := range problems {
		if !p.Warning || !strings.Contains(p.Text, "not set") {
			t.Errorf("Parse for check: got %v, want nothing but what is not set", p)
		}
	}
	if c == nil || len(problems) != 4 {
		t.Errorf("Parse for check: got %d problems, want one for each of 4 variables", len(problems))
	}
	env := map[string]string{"SIGNALWIRE_PROJECT_ID": "p", "SIGNALWIRE_API_TOKEN": "PT1", "SIGNALWIRE_SIGNING_KEY": "PSK_1", "SMTP_PASSWORD": "x"}
	mustParse(t, string(src), env)
}

func TestExampleShowsTheDefaults(t *testing.T) {
	src, err := os.ReadFile("../../config.example.toml")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"SIGNALWIRE_PROJECT_ID": "p", "SIGNALWIRE_API_TOKEN": "PT1", "SIGNALWIRE_SIGNING_KEY": "PSK_1", "SMTP_PASSWORD": "x"}
	want := mustParse(t, string(src), env)
	for _, key := range []string{"listen", "admin", "level", "url", "keep", "api_url", "unsigned", "lookup_timeout", "first_retry", "max_retry",
		"give_up_after", "catch_up", "missing_after", "ttl", "kind", "port", "tls", "connections"} {
		i := strings.Index(string(src), "\n# "+key+" ")
		if i < 0 {
			t.Errorf("the example has no %s", key)
			continue
		}
		got := mustParse(t, string(src[:i+1])+string(src[i+3:]), env)
		if g, w := plain(got), plain(want); g != w {
			t.Errorf("with %s of the example:\n got %s\nwant %s", key, g, w)
		}
	}
}

func plain(c *config.Config) string {
	return fmt.Sprint(c.Server, c.Log, c.Store, c.SignalWire, c.Links, c.Delivery, c.Watch, slices.Sorted(maps.Keys(c.Channels)), c.Channels)
}
