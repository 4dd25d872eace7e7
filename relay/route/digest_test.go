package route_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/deliver"
	"ringpost/relay/metrics"
	"ringpost/relay/render"
	"ringpost/relay/route"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// digestPlan returns a plan with one rule, whose sends those are.
func digestPlan(t testing.TB, shadow bool, sends ...rules.Send) *route.Plan {
	t.Helper()
	dir := t.TempDir()
	for file, text := range map[string]string{
		"fails.email.txt": "Subject: {{len .Recordings}}\n\n{{range .Recordings}}{{.Link}} {{.Query.agent}}\n{{end}}",
		"long.sms.txt":    "{{range .Recordings}}" + strings.Repeat("x", 300) + "{{end}}",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	templates, errs := render.Load(dir)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var list []rules.Rule
	if len(sends) > 0 {
		list = []rules.Rule{{Name: "one", All: true, Shadow: shadow, Send: sends}}
	}
	set, problems := rules.Compile(list, rules.Book{Channels: map[string]string{"mail": render.Email, "sms": render.SMS, "console": render.Log}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &route.Plan{Rules: set, Templates: templates, Links: route.Links{PublicURL: "https://hooks.example.com", TTL: time.Hour}}
}

func hourly(via, to, template string) rules.Send {
	return rules.Send{Via: via, To: rules.Patterns{to}, Template: template, Digest: "1h"}
}

// digestOf returns a digest that has collected so many recordings. Those at the
// places in without lack the query's agent.
func digestOf(n int, kind, template string, without ...int) *store.Digest {
	g := &store.Digest{Channel: "c", Kind: kind, Template: template, To: "alice@example.com"}
	for i := range n {
		cb := *render.Sample().Callback
		cb.RecordingSid, cb.Query = fmt.Sprint("rec-", i), map[string]string{"agent": "alice"}
		for _, w := range without {
			if i == w {
				cb.Query = nil
			}
		}
		g.Recordings = append(g.Recordings, store.Digested{Stored: store.Stored{ID: int64(i + 1), Callback: &cb}, Rule: fmt.Sprint("rule ", i)})
	}
	return g
}

func TestWhatIsCollectedSaysNothingYet(t *testing.T) {
	plan := digestPlan(t, false, hourly("mail", "alice@example.com", "digest"), hourly("mail", "{{.Query.agent}}", "digest"))
	deliveries, matched := plan.Deliveries(render.Sample().Callback)
	if len(deliveries) != 2 || len(matched) != 1 {
		t.Fatalf("Deliveries = %+v, %v, want two", deliveries, matched)
	}
	if d := deliveries[0]; d.Collect == nil || *d.Collect != (store.Collect{Template: "digest", For: time.Hour}) || d.State != store.Queued || d.Text != "" || d.Link != nil {
		t.Errorf("Deliveries = %+v, want one to be collected", d)
	}
	if d := deliveries[1]; d.Collect != nil || d.State != store.Dead || d.LastError == "" {
		t.Errorf("Deliveries = %+v, want it dead at once: there is nobody to collect it for", d)
	}
	trial, _ := digestPlan(t, true, hourly("mail", "alice@example.com", "digest")).Deliveries(render.Sample().Callback)
	if trial[0].Collect == nil || trial[0].State != store.Shadow {
		t.Errorf("Deliveries of a shadow rule = %+v, want one to be collected, and noted", trial[0])
	}
	e := plan.Explain(render.Sample().Callback).Deliveries[0]
	if e.Digest != "1h" || !strings.Contains(e.Text, "/r/SampleLink0") {
		t.Errorf("Explain = %+v, want the message as it would be, in a digest", e)
	}
}

func TestADigestTellsOfAllWithALinkEach(t *testing.T) {
	g := digestOf(3, render.Email, "digest")
	d := digestPlan(t, false).Digest(g)
	if d.State != store.Queued || d.Rule != "rule 2" || d.Subject != "3 call recordings" || len(d.Links) != 2 || d.Link == nil {
		t.Fatalf("Digest = %+v, want the newest's rule, and three links", d)
	}
	for i, l := range append(d.Links, d.Link) {
		if want := int64(i + 1); l.Callback != want && (l != d.Link || l.Callback != 0) || l.TTL != time.Hour ||
			strings.Count(d.Text, l.Token) != 1 || strings.Count(d.HTML, l.Token) != 1 {
			t.Errorf("link %d = %+v, want one of that callback, once in text and HTML", i, l)
		}
	}
	g.Shadow = true
	if d := digestPlan(t, false).Digest(g); d.State != store.Shadow || d.Text == "" {
		t.Errorf("Digest of a trial = %+v, want it noted", d)
	}
}

func TestWhatDoesNotFitIntoOneMessageIsLeftForTheNext(t *testing.T) {
	g := digestOf(13, render.SMS, "long")
	d := digestPlan(t, false).Digest(g)
	if d.State != store.Queued || len(g.Recordings) != 3 || len(d.Text) != 900 {
		t.Errorf("Digest = %+v of %d recordings, want 3 of them, which fit", d, len(g.Recordings))
	}
}

// A digest of many is not lost because one of them has no words.
func TestARecordingThatCannotBeToldIsDeadAlone(t *testing.T) {
	plan := digestPlan(t, false)
	left := digestOf(8, render.Email, "fails", 2).Recordings
	var told []int
	for len(left) > 0 {
		g := digestOf(0, render.Email, "fails")
		g.Recordings = left
		d := plan.Digest(g)
		n := len(g.Recordings)
		if d.State == store.Dead {
			if n != 1 || g.Recordings[0].RecordingSid != "rec-2" || !strings.Contains(d.LastError, "?agent= is missing") || d.Link != nil || d.Links != nil {
				t.Errorf("dead are %d from %s on (%s), want the third alone", n, g.Recordings[0].RecordingSid, d.LastError)
			}
		} else if d.Text == "" {
			t.Errorf("Digest = %+v, want words", d)
		}
		told = append(told, n)
		left = left[n:]
	}
	if fmt.Sprint(told) != "[2 1 5]" {
		t.Errorf("messages of %v recordings, want 2, the dead one, and 5", told)
	}
}

func TestDigestsGoOutAsTheyAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		ctx, stop := context.WithCancel(t.Context())
		log := slog.New(slog.DiscardHandler)
		d := deliver.New(ctx, s, metrics.New("test"), log)
		channels := map[string]deliver.Channel{"mail": {Channel: channel.NewLog(log), Workers: 1, Prefetch: 2}}
		if err := d.Configure(ctx, deliver.Policy{FirstRetry: time.Second, MaxRetry: time.Hour, GiveUpAfter: time.Hour}, channels); err != nil {
			t.Fatal(err)
		}
		r := route.NewRouter(s, d, metrics.New("test"), log, digestPlan(t, false, hourly("mail", "alice@example.com", "digest")))
		done := make(chan struct{}, 2)
		go func() { r.Run(ctx); done <- struct{}{} }()
		go func() { r.RunDigests(ctx); done <- struct{}{} }()
		begun := time.Now()
		for i := range 6 { // every 20 minutes
			cb := *render.Sample().Callback
			cb.RecordingSid, cb.ReceivedAt = fmt.Sprint("rec-", i), time.Now()
			if _, err := s.Add(t.Context(), &cb); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute)
			synctest.Wait()
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		made, err := s.Deliveries(t.Context(), store.Filter{Limit: 9})
		if err != nil || len(made) != 2 {
			t.Fatalf("Deliveries() = %+v, %v, want two digests", made, err)
		}
		// The first hour's four, of which the last came as the digest was due, or as
		// many as were there; and the rest an hour after the first of them.
		total := 0
		for _, one := range made {
			n, err := s.TellsOf(t.Context(), one.ID)
			if err != nil {
				t.Fatal(err)
			}
			total += n
			if one.State != store.Delivered {
				t.Errorf("a digest is %s (%s), want delivered", one.State, one.LastError)
			}
		}
		if first := made[1].CreatedAt.Sub(begun); total != 6 || first < time.Hour || first > time.Hour+6*time.Second {
			t.Errorf("they tell of %d recordings, the first after %v; want all six, the first after an hour", total, first)
		}
		stop()
		<-done
		<-done
		d.Drain()
	})
}
