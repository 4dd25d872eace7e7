package route_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// newPlan returns a plan of one rule that sends one template to one recipient.
func newPlan(t *testing.T, shadow bool, to, template string) *route.Plan {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "fails.email.txt"), []byte(
		"Subject: x\n\n{{if .Fields}}{{.Fields.Missing}}{{end}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := "Subject: {{.RecordingSid}}\n\nfor {{.To}} by {{.Rule}}\n"
	if err := os.WriteFile(filepath.Join(dir, "works.email.txt"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	templates, errs := render.Load(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	set, problems := rules.Compile([]rules.Rule{{Name: "one", Line: 4, Shadow: shadow,
		Conditions: rules.Conditions{Status: rules.Patterns{"completed"}},
		Send:       []rules.Send{{Via: "mail", To: rules.Patterns{to}, Template: template}}}},
		rules.Book{Channels: map[string]string{"mail": render.Email}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &route.Plan{Rules: set, Templates: templates}
}

func TestADeliveryCarriesTheRenderedWords(t *testing.T) {
	got := only(t, newPlan(t, false, "alice@example.com", "works"))
	if got.State != store.Queued || got.Subject != "rec-1" || got.Text != "for alice@example.com by one\n" ||
		got.Channel != "mail" || got.Kind != "email" || got.Rule != "one" {
		t.Errorf("Deliveries = %+v, want the rendered email, queued", got)
	}
}

func TestAFailingTemplateMakesThatOneDeliveryDeadWithItsReason(t *testing.T) {
	got := only(t, newPlan(t, false, "alice@example.com", "fails"))
	if got.State != store.Dead || got.LastError == "" || got.Text != "" {
		t.Errorf("Deliveries = %+v, want it dead with the reason", got)
	}
}

func TestARecipientThatIsNobodyMakesADeadDelivery(t *testing.T) {
	got := only(t, newPlan(t, false, "{{.CallSid}}", "works"))
	if got.State != store.Dead || got.LastError == "" {
		t.Errorf("Deliveries = %+v, want it dead with the reason", got)
	}
}

func TestAShadowRuleSendsNothingEvenWhereItWouldFail(t *testing.T) {
	if got := only(t, newPlan(t, true, "alice@example.com", "works")); got.State != store.Shadow || got.Text == "" {
		t.Errorf("Deliveries = %+v, want a shadow with its words", got)
	}
	if got := only(t, newPlan(t, true, "{{.CallSid}}", "works")); got.State != store.Shadow || got.LastError == "" {
		t.Errorf("Deliveries = %+v, want a shadow with the reason", got)
	}
}

func TestRecallTellsWhatAPlanDecidedThen(t *testing.T) {
	p := newPlan(t, false, "alice@example.com", "works")
	d, err := p.Definition()
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []string{"completed", "absent"} {
		cb := &callback.Callback{RecordingStatus: status}
		got, err := route.Recall(d, cb)
		if want := p.Rules.Explain(cb).Rules; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("Recall of %s = %+v, %v, want %+v, nil", status, got, err, want)
		}
	}
}

func TestRecallOfWhatIsNoPlanSaysSo(t *testing.T) {
	for definition, want := range map[string]string{
		"":                         "read the rules of then: ",
		`{"rules":[{"name":"x"}]}`: `the rules of then are none any more: rule "x": `,
	} {
		if got, err := route.Recall([]byte(definition), new(callback.Callback)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Recall(%q) = %v, %v, want an error that begins with %q", definition, got, err, want)
		}
	}
}

// only returns the one delivery that a callback asks for.
func only(t *testing.T, p *route.Plan) *store.Delivery {
	t.Helper()
	deliveries, matched := p.Deliveries(&callback.Callback{AccountSid: "a", RecordingSid: "rec-1", RecordingStatus: "completed",
		CallSid: "nobody", Fields: map[string]string{"Other": "x"}, ReceivedAt: time.Now()})
	if len(deliveries) != 1 || len(matched) != 1 {
		t.Fatalf("Deliveries = %v, %v; want one delivery of one rule", deliveries, matched)
	}
	return deliveries[0]
}

func TestAnArchivesDeliverySaysWhatIsKnownOfTheRecording(t *testing.T) {
	set, problems := rules.Compile([]rules.Rule{{Name: "keep", Conditions: rules.Conditions{Status: rules.Patterns{"completed"}},
		Send: []rules.Send{{Via: "archive"}}}}, rules.Book{Channels: map[string]string{"archive": render.Archive}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p := &route.Plan{Rules: set}
	got := only(t, p)
	if got.State != store.Queued || got.Kind != render.Archive || got.Subject != "" || got.HTML != "" || got.Link != nil ||
		!strings.Contains(got.Text, `"recording": "rec-1"`) || !strings.HasSuffix(got.To, "/rec-1.mp3") {
		t.Errorf("Deliveries = %+v, want the recording's path and what is known of it", got)
	}
	d, err := p.Definition()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := route.Recall(d, &callback.Callback{RecordingSid: "rec-1", RecordingStatus: "completed"}); err != nil || !again[0].Matched {
		t.Errorf("Recall = %+v, %v; want the rule of then", again, err)
	}
}
