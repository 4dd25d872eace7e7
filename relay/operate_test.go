package relay_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"

	"ringpost/relay/api"
	"ringpost/relay/deliver"
	"ringpost/relay/route"
	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

const operated = `
[contact.alice]
email = "alice@example.com"
[contact.carol]
phone = "+15550100003"
[[rule]]
name = "finished"
status = "completed"
send = [{ via = "email", to = ["alice"], template = "recording" }]
`

// startOperated starts a service that tells alice of each finished recording by
// email.
func startOperated(t *testing.T, location string) *scenario {
	t.Helper()
	return newScenario(t, &txtar.Archive{Files: []txtar.File{{Name: "ringpost.toml", Data: []byte(operated)}}}, location)
}

// look opens the store beside the service, which must share it or have stopped.
func (s *scenario) look() *store.Store {
	s.t.Helper()
	db, err := store.Open(s.t.Context(), s.store, discard)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { db.Close() })
	return db
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !so(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to be that %s", what)
		}
	}
}

// channel returns what the service says of a channel.
func (s *scenario) channel(name string) deliver.Overview {
	s.t.Helper()
	all, err := s.service.Channels(s.t.Context())
	if err != nil || len(all) != 2 || all[0].Channel != "email" || all[1].Channel != "sms" {
		s.t.Fatalf("Channels() = %+v, %v, want email and sms", all, err)
	}
	if name == "sms" {
		return all[1]
	}
	return all[0]
}

func wantRequestError(t *testing.T, what string, err error, says string) {
	t.Helper()
	if e, ok := errors.AsType[*api.RequestError](err); !ok || !strings.Contains(e.Text, says) {
		t.Errorf("%s = %v, want a request error that says %q", what, err, says)
	}
}

func TestAPauseHoldsAChannelUpUntilItIsResumed(t *testing.T) {
	s := startOperated(t, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	ctx := t.Context()
	if err := s.service.Pause(ctx, "email", "kim"); err != nil {
		t.Fatalf("Pause(email) = %v", err)
	}
	s.post("form RecordingStatus=completed => 200")
	eventually(t, "the delivery waits", func() bool { return s.channel("email").Waiting == 1 })
	if c := s.channel("email"); c.Pause == nil || c.Pause.By != "kim" || c.Kind != "email" || c.Rate != "" || c.Down || time.Since(c.Oldest) > time.Minute {
		t.Errorf("Channels() = %+v, want email paused by kim, up, with one that waits", c)
	}
	if c := s.channel("sms"); c.Pause != nil || c.Kind != "sms" || c.Waiting != 0 || !c.Oldest.IsZero() {
		t.Errorf("Channels() = %+v, want sms as it was", c)
	}
	wantRequestError(t, "Pause(fax)", s.service.Pause(ctx, "fax", "kim"), `no channel "fax" (have email, sms)`)
	wantRequestError(t, "Resume(fax\\x00)", s.service.Resume(ctx, "fax\x00", "kim"), "no channel")
	if n := len(s.mail.Emails()); n != 0 {
		t.Errorf("%d emails sent while the channel was paused, want none", n)
	}
	if err := s.service.Resume(ctx, "email", "lee"); err != nil {
		t.Fatalf("Resume(email) = %v", err)
	}
	eventually(t, "the email is sent", func() bool { return len(s.mail.Emails()) == 1 })
	s.settle()
	if done, err := s.look().Operations(ctx, 1); err != nil || len(done) != 1 || done[0].By != "lee" {
		t.Errorf("Operations() = %+v, %v, want that lee resumed the channel", done, err)
	}
}

func TestAPauseIsHeardByTheOtherNodes(t *testing.T) {
	location := storetest.Postgres(t)
	one, other := startOperated(t, location), startOperated(t, location)
	for _, paused := range []bool{true, false} {
		do := one.service.Resume
		if paused {
			do = one.service.Pause
		}
		if err := do(t.Context(), "email", "kim"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the other node has heard of it", func() bool { return (other.channel("email").Pause != nil) == paused })
	}
}

func TestADeliveryIsSentOnToWhoeverTheChannelCanReach(t *testing.T) {
	s := startOperated(t, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	ctx := t.Context()
	s.post("form RecordingStatus=completed => 200")
	eventually(t, "the email is sent", func() bool { return len(s.mail.Emails()) == 1 })
	forward := func(to string) (int64, error) { return s.service.Forward(ctx, 1, to, "kim") }
	if id, err := forward("bob@example.com"); id != 2 || err != nil {
		t.Errorf("Forward(an address) = %d, %v, want 2, nil", id, err)
	}
	if id, err := forward("ALICE"); id != 3 || err != nil {
		t.Errorf("Forward(a contact) = %d, %v, want 3, nil", id, err)
	}
	for to, says := range map[string]string{"carol": "has no email address", "+15550100001": "no email address", "": "", "x\r\nBcc: y": ""} {
		_, err := forward(to)
		wantRequestError(t, "Forward("+to+")", err, says)
	}
	if _, err := s.service.Forward(ctx, 99, "alice", "kim"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Forward() of no delivery = %v, want %v", err, store.ErrNotFound)
	}
	eventually(t, "both are sent", func() bool { return len(s.mail.Emails()) == 3 })
	got := map[string]string{}
	for _, e := range s.mail.Emails() {
		content, err := e.Content()
		if err != nil {
			t.Fatal(err)
		}
		got[strings.Join(e.To, ", ")] = content.Subject
	}
	if len(got) != 2 || got["bob@example.com"] == "" || got["bob@example.com"] != got["alice@example.com"] {
		t.Errorf("sent %q, want the same to alice and bob", got)
	}

	s.files["ringpost.toml"] = strings.Replace(operated, `[[rule]]`, "[channel.other]\nkind = \"log\"\n[[rule]]", 1)
	s.files["ringpost.toml"] = strings.Replace(s.files["ringpost.toml"], `via = "email"`, `via = "other"`, 1)
	if problems := s.service.Reload(ctx); len(problems) > 0 {
		t.Fatalf("Reload() = %q", problems)
	}
	s.post("form RecordingStatus=completed RecordingSid=rec-2 => 200")
	eventually(t, "it is written to the log", func() bool {
		all, err := s.service.Channels(ctx)
		return err == nil && len(all) == 3 && all[1].Waiting == 0 && s.finished()
	})
	s.files["ringpost.toml"] = operated
	if problems := s.service.Reload(ctx); len(problems) > 0 {
		t.Fatalf("Reload() = %q", problems)
	}
	_, err := s.service.Forward(ctx, 4, "alice", "kim")
	wantRequestError(t, "Forward() by a channel that is gone", err, `no channel "other" (have email, sms)`)
	s.files["ringpost.toml"] = strings.Replace(operated, `[[rule]]`, "[channel.other]\nkind = \"sms\"\nfrom = \"+15550100000\"\n[[rule]]", 1)
	if problems := s.service.Reload(ctx); len(problems) > 0 {
		t.Fatalf("Reload() = %q", problems)
	}
	_, err = s.service.Forward(ctx, 4, "carol", "kim")
	wantRequestError(t, "Forward() by a channel of another kind", err, "is of kind sms by now")
}

func TestWhatHasDiedIsRetriedAllAtOnce(t *testing.T) {
	s := startOperated(t, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	ctx := t.Context()
	if err := s.service.Pause(ctx, "email", "kim"); err != nil {
		t.Fatal(err)
	}
	for _, recording := range []string{"rec-1", "rec-2", "rec-3"} {
		s.post("form RecordingStatus=completed RecordingSid=" + recording + " => 200")
	}
	eventually(t, "they wait", func() bool { return s.channel("email").Waiting == 3 })
	for id := range int64(2) {
		if err := s.service.Cancel(ctx, id+1, "kim"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.service.Resume(ctx, "email", "kim"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the third is sent", func() bool { return len(s.mail.Emails()) == 1 })
	if n, err := s.service.RetryAll(ctx, store.Filter{Channel: "email"}, "kim"); n != 0 || err != nil {
		t.Errorf("RetryAll(dead) = %d, %v, want 0, nil", n, err)
	}
	if n, err := s.service.RetryAll(ctx, store.Filter{Channel: "email", State: store.Cancelled}, "kim"); n != 2 || err != nil {
		t.Errorf("RetryAll(cancelled) = %d, %v, want 2, nil", n, err)
	}
	eventually(t, "all are sent", func() bool { return len(s.mail.Emails()) == 3 })
	_, err := s.service.RetryAll(ctx, store.Filter{State: store.Delivered}, "kim")
	wantRequestError(t, "RetryAll(delivered)", err, "cannot be retried")
}

func TestAStoredCallbackIsExplainedByTheRulesOfThen(t *testing.T) {
	for name, location := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "ringpost.db"), "postgres": ""} {
		t.Run(name, func(t *testing.T) {
			if location == "" {
				location = storetest.Postgres(t)
			}
			s := startOperated(t, location)
			s.post("form RecordingStatus=completed RecordingSid=then => 200")
			eventually(t, "it is routed", s.finished)
			s.files["ringpost.toml"] = strings.Replace(operated, "[[rule]]", "[[rule]]\nenabled = false", 1)
			if problems := s.service.Reload(t.Context()); len(problems) > 0 {
				t.Fatalf("Reload() = %q", problems)
			}
			s.post("form RecordingStatus=completed RecordingSid=now => 200")
			s.settle()
			db := s.look()
			found, err := db.Search(t.Context(), store.Search{Limit: 9})
			if err != nil || len(found) != 2 {
				t.Fatalf("Search() = %+v, %v, want two callbacks", found, err)
			}
			for i, matched := range []bool{false, true} { // the newer one first
				definition, err := db.Plan(t.Context(), found[i].PlanID)
				if err != nil {
					t.Fatal(err)
				}
				trace, err := route.Recall(definition, found[i].Callback)
				if err != nil || len(trace) != 1 || trace[0].Matched != matched || (len(found[i].Deliveries) == 1) != matched {
					t.Errorf("Recall of %s = %+v, %v, want matched %v", found[i].RecordingSid, trace, err, matched)
				}
			}
		})
	}
}

func TestTheStateOfTheConfigurationSaysWhyTheFileIsNotInForce(t *testing.T) {
	s := startOperated(t, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	first := s.service.ConfigState()
	if first.File != "ringpost.toml" || time.Since(first.LoadedAt) > time.Minute || first.Problems != nil || !first.RefusedAt.IsZero() {
		t.Errorf("ConfigState() = %+v, want it just loaded", first)
	}
	plan := s.service.Plan()
	s.files["ringpost.toml"] = operated + "[[test]]\nname = \"wrong\"\ncallback = { RecordingStatus = \"completed\" }\nexpect = []\n"
	problems := s.service.Reload(t.Context())
	state := s.service.ConfigState()
	if len(problems) != 1 || len(state.Problems) != 1 || state.Problems[0] != problems[0] || state.RefusedAt.Before(first.LoadedAt) ||
		!state.LoadedAt.Equal(first.LoadedAt) || s.service.Plan().ID != plan.ID {
		t.Errorf("Reload() = %q, then ConfigState() = %+v, want the problem in both, and the old one in force", problems, state)
	}
	s.files["ringpost.toml"] = operated
	if problems := s.service.Reload(t.Context()); len(problems) > 0 {
		t.Fatalf("Reload() = %q", problems)
	}
	if again := s.service.ConfigState(); again.Problems != nil || !again.RefusedAt.IsZero() || !again.LoadedAt.After(first.LoadedAt) {
		t.Errorf("ConfigState() = %+v, want it just loaded, and no problem", again)
	}
	if s.service.Plan().ID != plan.ID {
		t.Errorf("Plan().ID = %d, want %d: nothing has changed", s.service.Plan().ID, plan.ID)
	}
}

func TestWhatHappensUntilTheLastMomentIsInTheCountsOfTheStore(t *testing.T) {
	s := startOperated(t, "sqlite:"+filepath.Join(t.TempDir(), "ringpost.db"))
	s.post("form RecordingStatus=completed => 200")
	s.post("form RecordingStatus=completed => 200")
	s.post("form RecordingStatus=finished => 400")
	s.settle()
	db := s.look()
	var got []string
	for _, what := range []string{"callback", "delivery", "rule"} {
		totals, err := db.Totals(t.Context(), what, db.Now().Add(-time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range totals {
			got = append(got, fmt.Sprint(c.What, " ", c.Name, " ", c.Result, " ", c.N))
		}
	}
	want := []string{"callback completed duplicate 1", "callback completed stored 1", "callback unknown invalid 1", "delivery email delivered 1",
		"rule finished  1"}
	if !slices.Equal(got, want) {
		t.Errorf("Totals() = %q, want %q", got, want)
	}
	refused, err := db.Refusals(t.Context())
	if err != nil || len(refused) != 1 || refused[0].Status != 400 || !strings.Contains(string(refused[0].Request), "RecordingStatus=finished") {
		t.Errorf("Refusals() = %+v, %v, want the one", refused, err)
	}
}
