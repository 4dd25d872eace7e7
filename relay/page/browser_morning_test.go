package page_test

import (
	"context"
	"database/sql"
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"ringpost/relay/peers"
)

// morning is the calls of a morning, the oldest first.
var morning = []struct {
	sid    string
	length time.Duration
	query  string
	change []string // fields, name=value
}{
	{"5f0c8b1e-9a37-4d2a-8c55-0f6be1d7a920", 4*time.Minute + 12*time.Second, "?agent=alice", nil},
	{"b81d4f6c-2e07-4c9b-a1f3-77d05c3e9e14", 0, "", []string{"RecordingStatus=absent", "RecordingSource=RecordVerb", "RecordingUrl="}},
	{"0d9e6a52-c4b8-47f1-9b60-e5a2f8134c7d", 32*time.Minute + 40*time.Second, "?agent=bob", []string{"RecordingSource=Conference"}},
	{"e2a7c310-58fd-4be6-8d19-4b9c60f7d5a3", 3 * time.Second, "?agent=bob", nil},
	{"9c4b7e08-6d1f-4a35-b2e7-1f8d09a6c5b4", time.Minute + 34*time.Second, "?agent=alice", nil},
	{"37f5d0a9-81c6-4e2b-9f4a-c06e7b12d893", 58 * time.Second, "?agent=dora", nil},
	{"c6e81b24-0f9a-4d73-a5b8-92e4f7036d1c", 11*time.Minute + 5*time.Second, "?agent=bob", nil},
	{"41a9f3d7-e5c2-4806-bd7e-3a60c8f1952b", 0, "", []string{"RecordingStatus=in-progress", "RecordingSource=Conference", "RecordingUrl="}},
}

// aMorning sends a morning's calls to a site, with the troubles of one, and
// returns the pages to take pictures of, by the names of these.
func aMorning(t *testing.T, s *site) (pages map[string]string) {
	t.Helper()
	b := s.tab()
	for i, c := range morning {
		switch i {
		case 4: // carol's mailbox is gone
			s.mailTrouble.Store(nobody("carol"))
		case 6: // alice's server is busy, and bob wants no more SMS
			s.mailTrouble.Store(later("alice"))
			s.smsTrouble.Store(at(&peers.APIError{Status: 400, Code: 21610, Message: "Attempt to send to unsubscribed recipient"}, "", peers.SendSMS))
		}
		s.post(s.recorded(c.sid, c.length, append([]string{
			"CallSid=" + strings.Replace(c.sid, "-4", "-8", 1),
			"RecordingUrl=https://example.signalwire.com/api/laml/2010-04-01/Accounts/b3877c40-da60-4998-90ad-b792e98472af/Recordings/" + c.sid,
		}, c.change...)...), c.query)
		b.settled(c.sid)
		s.mailTrouble.Store(nil)
		s.smsTrouble.Store(nil)
	}
	for range 2 {
		s.postSigned("PT-token", s.recorded(morning[0].sid, morning[0].length), "")
	}
	b.until("the refused requests are kept", func() bool {
		b.open("/health")
		return strings.Count(b.text(), "Ask the doctor") == 2
	})
	b.open("/recordings?q=" + morning[4].sid)
	b.rows(1)
	one := js[string](b, "document.querySelector('.row a').getAttribute('href')")
	b.open("/recordings?q=" + morning[3].sid)
	b.rows(1)
	short := js[string](b, "document.querySelector('.row a').getAttribute('href')")
	b.leave()
	s.stop()
	s.spread()
	s.start()
	return map[string]string{
		"recordings": "/recordings", "recording": one, "rules": strings.Replace(short, "/recordings/", "/rules/try/", 1),
		"channels": "/channels", "health": "/health", "why": short + "#why-" + path.Base(short),
	}
}

// settled waits until nothing happens to the messages about a recording for now.
func (b *tab) settled(recording string) {
	b.Helper()
	b.until("the messages about "+recording+" have been tried", func() bool {
		b.open("/recordings?q=" + recording)
		text := b.text()
		return contains(text, recording) && !contains(text, "not matched against") && !contains(text, "to be sent") && !js[bool](b,
			"Boolean(document.querySelector('.row [data-state=queued], .row [data-state=sending]'))")
	})
}

// spread moves what has happened over the morning, and adds what was counted
// meanwhile. The service must not run.
func (s *site) spread() {
	s.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "ringpost.db"))
	if err != nil {
		s.Fatal(err)
	}
	defer db.Close()
	shift := func(callback string) string {
		return "(((SELECT max(c.id) FROM callbacks c) - " + callback + ") * 1020000000 + " + callback + " * 1357911 % 600000000)"
	}
	of := `(SELECT callback_id FROM deliveries WHERE id = delivery_id)`
	for _, statement := range append(tallies(time.Now()),
		`UPDATE attempts SET started_at = started_at - `+shift(of),
		`UPDATE deliveries SET created_at = created_at - `+shift("callback_id")+`, finished_at = finished_at - `+shift("callback_id"),
		`UPDATE callbacks SET received_at = received_at - `+shift("callbacks.id")+`, routed_at = routed_at - `+shift("callbacks.id"),
		`UPDATE refusals SET at = at - (3 - id) * 1300000000`,
	) {
		ctx, cancel := context.WithTimeout(s.Context(), patience)
		if _, err := db.ExecContext(ctx, statement); err != nil {
			s.Fatalf("%v: %s", err, statement)
		}
		cancel()
	}
}

// tallies returns statements that count what happens in a day, in which calls are
// made from eight to six.
func tallies(now time.Time) (statements []string) {
	busy := [24]int{8: 21, 34, 41, 38, 17, 26, 36, 44, 31, 12, 3, 1}
	for ago := 23; ago > 0; ago-- {
		hour := now.Truncate(time.Hour).Add(-time.Duration(ago) * time.Hour)
		for _, c := range []struct {
			what, name, result string
			part               int // in a hundred calls
		}{
			{"callback", "completed", "stored", 92}, {"callback", "absent", "stored", 12}, {"callback", "completed", "duplicate", 6},
			{"delivery", "email", "delivered", 190}, {"delivery", "email", "retried", 11}, {"delivery", "email", "dead", 3},
			{"delivery", "sms", "delivered", 71}, {"rule", "managers get every finished recording", "", 88},
			{"rule", "agents get a link to their own calls", "", 71}, {"rule", "conferences, to be tried out", "", 9},
			{"rule", "carol hears of calls that were not recorded", "", 12},
		} {
			if n := busy[hour.Hour()] * c.part / 100; n > 0 {
				statements = append(statements, fmt.Sprintf(`INSERT INTO tallies (what, at, name, result, node, n, last_at)
					VALUES ('%s', %d, '%s', '%s', 'morning', %d, %d)`, c.what, hour.UnixMicro(), c.name, c.result, n, hour.UnixMicro()))
			}
		}
	}
	return statements
}
