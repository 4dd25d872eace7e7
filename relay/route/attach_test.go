package route_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// newAttachPlan is a plan by which alice gets the recording with her email.
func newAttachPlan(t *testing.T, template string, shadow bool) *route.Plan {
	t.Helper()
	p := newLinkPlan(t, template)
	d := p.Rules.Definition()
	d.Rules[0].Conditions, d.Rules[0].All, d.Rules[0].Shadow = rules.Conditions{}, true, shadow
	d.Rules[0].Send[0].Attach, d.Rules[0].Send[0].AttachMax = "mp3", "5MB"
	set, problems := rules.Compile(d.Rules, d.Book)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p.Rules = set
	return p
}

// Whether its words have the link or not: there is one, and one only.
func TestAMessageWithARecordingHasALinkToPutInItsPlace(t *testing.T) {
	for _, template := range []string{"recording", "link"} {
		for _, shadow := range []bool{false, true} {
			deliveries, _ := newAttachPlan(t, template, shadow).Deliveries(render.Sample().Callback)
			if len(deliveries) != 2 || deliveries[0].Link == nil || deliveries[0].Link.Token == deliveries[1].Link.Token {
				t.Fatalf("%s: Deliveries = %+v, want two with a link each", template, deliveries)
			}
			for _, d := range deliveries {
				link := "https://hooks.example.com/r/" + d.Link.Token
				if want := (store.Attachment{Format: "mp3", MaxBytes: 5_000_000, Link: link}); d.Attach != want || d.Link.TTL != time.Hour {
					t.Errorf("%s: with it goes %+v, want %+v", template, d.Attach, want)
				}
				if strings.Contains(d.Text, "/r/") != (template == "link") || strings.Count(d.Text, "/r/") != strings.Count(d.Text, link) {
					t.Errorf("%s: it says %q, want no other link than %s", template, d.Text, link)
				}
			}
		}
	}
}

func TestNothingGoesWithAMessageAboutARecordingThatIsNotThere(t *testing.T) {
	for _, status := range callback.AllStatuses {
		for _, url := range []string{"", "https://example.signalwire.com/a.wav"} {
			cb := *render.Sample().Callback
			cb.RecordingStatus, cb.RecordingUrl = status, url
			want := url != "" && (status == callback.Completed || status == callback.Undelivered)
			deliveries, _ := newAttachPlan(t, "recording", false).Deliveries(&cb)
			for _, d := range deliveries {
				if d.State != store.Queued || (d.Attach.Format != "") != want || (d.Link != nil) != want {
					t.Errorf("%s, %q: with it goes %+v, link %v; want one: %v", status, url, d.Attach, d.Link, want)
				}
			}
		}
	}
	cb := render.Sample().Callback
	cb.Fields = map[string]string{"a": "b"}
	broken, _ := newAttachPlan(t, "breaks", false).Deliveries(cb)
	if broken[0].State != store.Dead || broken[0].Attach.Format != "" || broken[0].Link != nil {
		t.Errorf("with what says nothing goes %+v, link %v", broken[0].Attach, broken[0].Link)
	}
}

func TestWhatWouldBeAttachedIsExplainedAndCompared(t *testing.T) {
	cb := render.Sample().Callback
	with, without := newAttachPlan(t, "recording", false), newLinkPlan(t, "recording")
	m := with.Explain(cb).Deliveries[0]
	if m.Attach != "mp3" || m.AttachMax != 5_000_000 {
		t.Errorf("Explain says %q, at most %d bytes; want mp3 and 5 MB", m.Attach, m.AttachMax)
	}
	if m := without.Explain(cb).Deliveries[0]; m.Attach != "" || m.AttachMax != 0 {
		t.Errorf("without: Explain says %q, at most %d bytes", m.Attach, m.AttachMax)
	}
	if a, b, again := with.Outcomes(cb)[0], without.Outcomes(cb)[0], with.Outcomes(cb)[0]; a == b || a != again {
		t.Errorf("Outcomes = %+v, without %+v, again %+v; want the first unlike the second only", a, b, again)
	}
}
