package route_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// newLinkPlan is newPlan for two recipients, and links that last an hour.
func newLinkPlan(t *testing.T, template string) *route.Plan {
	t.Helper()
	dir := t.TempDir()
	// It asks for the link before it fails.
	if err := os.WriteFile(filepath.Join(dir, "breaks.email.txt"), []byte(
		"Subject: x\n\n{{.Link}} {{if .Fields}}{{.Fields.Missing}}{{end}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	templates, errs := render.Load(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	set, problems := rules.Compile([]rules.Rule{{Name: "one", Line: 4, Conditions: rules.Conditions{Status: rules.Patterns{"completed"}},
		Send: []rules.Send{{Via: "mail", To: rules.Patterns{"alice@example.com", "bob@example.com"}, Template: template}}}},
		rules.Book{Channels: map[string]string{"mail": render.Email}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &route.Plan{Rules: set, Templates: templates, Links: route.Links{PublicURL: "https://hooks.example.com", TTL: time.Hour}}
}

func TestEachMessageWithALinkHasOneOfItsOwn(t *testing.T) {
	cb := render.Sample().Callback
	deliveries, _ := newLinkPlan(t, "link").Deliveries(cb)
	if len(deliveries) != 2 || deliveries[0].Link == nil || deliveries[1].Link == nil || deliveries[0].Link.Token == deliveries[1].Link.Token {
		t.Fatalf("Deliveries = %+v, want two with a link each", deliveries)
	}
	for _, d := range deliveries {
		link := "https://hooks.example.com/r/" + d.Link.Token
		if !store.IsToken(d.Link.Token) || d.Link.TTL != time.Hour || !strings.Contains(d.Text, link) || !strings.Contains(d.HTML, `href="`+link+`"`) {
			t.Errorf("the link is %+v, and it says %q and %q; want them alike", d.Link, d.Text, d.HTML)
		}
	}
	without, _ := newLinkPlan(t, "recording").Deliveries(cb)
	for _, d := range without {
		if d.Link != nil {
			t.Errorf("a message whose template asks for no link has %+v", d.Link)
		}
	}
	cb.Fields = map[string]string{"a": "b"}
	broken, _ := newLinkPlan(t, "breaks").Deliveries(cb)
	for _, d := range broken {
		if d.State != store.Dead || d.Link != nil {
			t.Errorf("a message that says nothing is %+v, want it dead, and no link", d)
		}
	}
}

func TestWhatIsOnlyExplainedOrReplayedHasASampleForALink(t *testing.T) {
	cb, p := render.Sample().Callback, newLinkPlan(t, "link")
	for _, m := range p.Explain(cb).Deliveries {
		if !strings.Contains(m.Text, render.SampleLink("https://hooks.example.com")) {
			t.Errorf("Explain says %q, want the sample's link", m.Text)
		}
	}
	first, again := p.Outcomes(cb), p.Outcomes(cb)
	for i := range first {
		if first[i] != again[i] {
			t.Errorf("Outcomes = %+v, then %+v, want the same", first[i], again[i])
		}
	}
}
