package route_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
)

func TestAnExplanationHasTheFormThatIsPromised(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"t.email.txt": "Subject: {{.RecordingSid}}\n\nfor {{.To}}\n", "t.email.html": "<b>{{.To}}</b>\n", "t.sms.txt": "Gespräch ☎ {{.RecordingSid}}",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	templates, errs := render.Load(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	send := func(via, to string) []rules.Send {
		return []rules.Send{{Via: via, To: rules.Patterns{to}, Template: "t"}}
	}
	set, problems := rules.Compile([]rules.Rule{
		{Name: "long", Conditions: rules.Conditions{MinDuration: "1h"}, Send: send("mail", "alice@example.com")},
		{Name: "mail", All: true, Send: send("mail", "alice@example.com")},
		{Name: "trial", All: true, Shadow: true, Send: send("text", "+15550100001")},
		{Name: "nobody", All: true, Send: send("text", "{{.CallSid}}")},
	}, rules.Book{Channels: map[string]string{"mail": render.Email, "text": render.SMS}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	cb, err := route.Sample(map[string]string{"RecordingSid": "rec-1", "CallSid": "nobody", "RecordingDuration": "3"}, nil, "", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent((&route.Plan{Rules: set, Templates: templates}).Explain(cb), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/explanation.json"
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got)+"\n" != string(want) {
		t.Errorf("Explain: got %s\nwant %s", got, want)
	}
}

func TestASampleIsAFinishedCallWhereFieldsDoNotSayOtherwise(t *testing.T) {
	cb, err := route.Sample(map[string]string{"RecordingStatus": "absent", "From": "+1"}, map[string]string{"agent": "alice"}, "", time.Now())
	if err != nil || cb.RecordingStatus != "absent" || cb.RecordingDuration != 94 || cb.RecordingUrl == "" ||
		cb.Fields["From"] != "+1" || cb.Query["agent"] != "alice" {
		t.Errorf("Sample = %+v, %v; want what was given, and the rest filled in", cb, err)
	}
	if _, err := route.Sample(map[string]string{"RecordingStatus": "done"}, nil, "", time.Now()); err == nil {
		t.Error("Sample of status done: got no error, want the callback's")
	}
	relative, err := route.Sample(map[string]string{"RecordingUrl": "/x"}, nil, "space.example.com", time.Now())
	if err != nil || relative.RecordingUrl != "https://space.example.com/x" {
		t.Errorf("Sample of /x = %+v, %v; want it in the space", relative, err)
	}
}

func TestExplainFindsWhatDeliveriesFinds(t *testing.T) {
	p := newPlan(t, false, "alice@example.com", "fails")
	cb := &callback.Callback{RecordingSid: "rec-1", RecordingStatus: "completed", Fields: map[string]string{"Other": "x"}}
	planned, _ := p.Deliveries(cb)
	explained := p.Explain(cb).Deliveries
	if len(planned) != 1 || len(explained) != 1 || explained[0].Problem != planned[0].LastError || explained[0].Problem == "" {
		t.Errorf("Explain = %+v, Deliveries = %+v; want the same problem", explained, planned)
	}
}
