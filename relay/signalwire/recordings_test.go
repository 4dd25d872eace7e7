package signalwire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/peers"
	"ringpost/relay/signalwire"
)

var eleven = time.Date(2026, time.November, 19, 11, 0, 0, 0, time.UTC)

// listAll reads a listing to its end.
func listAll(t testing.TB, c *signalwire.Client, since time.Time) (all []signalwire.Recording, err error) {
	t.Helper()
	for page, err := range c.Recordings(t.Context(), since) {
		if err != nil {
			return all, err
		}
		all = append(all, page.List...)
	}
	return all, nil
}

func TestRecordingsAreListedPageByPage(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "project-1", Token: "PTsecrettoken", Now: func() time.Time { return eleven }})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	const many = 450
	for i := range many {
		api.List(peers.Recording{Sid: fmt.Sprint("RE", i), Call: "CA1", Status: "completed", Source: "DialVerb",
			Length: time.Minute, Began: eleven.Add(-time.Duration(i) * time.Second)})
	}
	api.List(peers.Recording{Sid: "old", Status: "completed", Began: eleven.Add(-24 * time.Hour)})
	pages := 0
	var got []signalwire.Recording
	for page, err := range newClient(t, api.URL, nil).Recordings(t.Context(), eleven.Add(-time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		if !page.At.Equal(eleven) {
			t.Errorf("page %d is of %v, want the API's time, %v", pages, page.At, eleven)
		}
		pages++
		got = append(got, page.List...)
	}
	if pages != 3 || len(got) != many {
		t.Fatalf("listed %d recordings on %d pages, want %d on 3", len(got), pages, many)
	}
	want := signalwire.Recording{Sid: "RE60", Account: "project-1", Call: "CA1", Status: "completed", Source: "DialVerb", Channels: "1",
		StartTime: "Thu, 19 Nov 2026 10:59:00 +0000", Length: time.Minute}
	if r := got[60]; !r.Created.Equal(eleven.Add(-time.Minute)) || !r.Ended.Equal(eleven) {
		t.Errorf("RE60 was created at %v and ended at %v, want 10:59 and 11:00", r.Created, r.Ended)
	}
	got[60].Created, got[60].Ended = time.Time{}, time.Time{}
	if got[60] != want {
		t.Errorf("listed %+v, want %+v", got[60], want)
	}
}

func TestAListingEndsWithItsConsumer(t *testing.T) {
	transport := &canned{status: 200, answers: []string{`{"recordings":[{"sid":"RE1"}],"next_page_uri":"/api/laml/2"}`}}
	for range newClient(t, "https://x", transport).Recordings(t.Context(), eleven) {
		break
	}
	if want := []string{"/api/laml/2010-04-01/Accounts/project-1/Recordings.json?DateCreated%3E=2026-11-19&PageSize=200"}; !slices.Equal(transport.targets, want) {
		t.Errorf("asked for %q, want %q", transport.targets, want)
	}
}

func TestAListingOfRecordingsIsCompleteOrFails(t *testing.T) {
	for _, answer := range []string{
		``, `null`, `[]`, `{}`, `{"recordings":null}`, `{"recordings":"none"}`, `{"recordings":[1]}`, `<html>`,
		`{"recordings":[],"next_page_uri":7}`,
		`{"recordings":[],"next_page_uri":"https://evil.example.com/api/laml/2"}`,
		`{"recordings":[],"next_page_uri":"http://x/api/laml/2"}`,
		`{"recordings":[],"next_page_uri":"https://x@evil.example.com/api/laml/2"}`,
		`{"recordings":[],"next_page_uri":"//evil.example.com/api/laml/2"}`,
		`{"recordings":[],"next_page_uri":"/admin"}`,
		`{"recordings":[],"next_page_uri":"/api/%2e%2e/admin"}`,
		`{"recordings":[],"next_page_uri":"/api/laml/the-same-for-ever"}`,
	} {
		transport := &canned{status: 200, answers: []string{answer}}
		if _, err := listAll(t, newClient(t, "https://x", transport), eleven); !errors.Is(err, signalwire.ErrIncomplete) {
			t.Errorf("answer %q: %v, want ErrIncomplete", answer, err)
		}
		if n := len(transport.targets); n > 2 {
			t.Errorf("answer %q: %d pages were read, want 2 at most", answer, n)
		}
	}
}

// endless is a transport whose listing never ends.
type endless struct{ pages int }

func (e *endless) RoundTrip(r *http.Request) (*http.Response, error) {
	e.pages++
	body := fmt.Sprintf(`{"recordings":[{"sid":"RE%d"}],"next_page_uri":"/api/laml/%d"}`, e.pages, e.pages)
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestAListingWithoutEndIsLeft(t *testing.T) {
	transport := &endless{}
	all, err := listAll(t, newClient(t, "https://x", transport), eleven)
	if !errors.Is(err, signalwire.ErrManyPages) || !errors.Is(err, signalwire.ErrIncomplete) || transport.pages != 1000 || len(all) != 1000 {
		t.Errorf("listed %d recordings on %d pages, %v; want 1000 and ErrManyPages", len(all), transport.pages, err)
	}
}

func TestAListingSlowsDownWhereItIsAsked(t *testing.T) {
	for _, test := range []struct {
		wait     string
		refusals int // before a page is given
		took     time.Duration
		ok       bool
	}{
		{"7", 2, 14 * time.Second, true},
		{"", 1, time.Second, true},
		{"30", 3, 90 * time.Second, true},
		{"30", 4, 90 * time.Second, false},
		{"31", 1, 0, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport := &slow{refusals: test.refusals, wait: test.wait}
			c, err := signalwire.New(signalwire.Config{APIURL: "https://x", Project: "p", Token: "t", Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			all, err := listAll(t, c, eleven)
			if took := time.Since(began); (err == nil) != test.ok || (len(all) == 1) != test.ok || took != test.took {
				t.Errorf("%d refusals with Retry-After %q: %d recordings, %v, after %v; want success %v after %v",
					test.refusals, test.wait, len(all), err, took, test.ok, test.took)
			}
			if e, ok := errors.AsType[*signalwire.Error](err); err != nil && (!ok || e.Status != 429) {
				t.Errorf("the error is %v, want the status 429", err)
			}
		})
	}
}

// slow is a transport that refuses some requests with 429.
type slow struct {
	refusals int
	wait     string
}

func (s *slow) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(`{"recordings":[{"sid":"RE1"}]}`)), Request: r}
	if s.refusals > 0 {
		s.refusals--
		resp.StatusCode, resp.Header = 429, http.Header{"Retry-After": {s.wait}}
	}
	return resp, nil
}

func TestAListingThatSlowsDownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := signalwire.New(signalwire.Config{APIURL: "https://x", Project: "p", Token: "t", Transport: &slow{refusals: 9, wait: "20"}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, err := range c.Recordings(ctx, eleven) {
			if e, ok := errors.AsType[*signalwire.Error](err); !ok || e.Status != 429 {
				t.Errorf("the listing ended with %v, want the status 429", err)
			}
		}
	})
}

func TestWhenARecordingEndedIsReadLoosely(t *testing.T) {
	for _, test := range []struct {
		json string
		want time.Time
	}{
		{`"start_time":"2026-11-19T10:00:00Z","duration":"60"`, eleven.Add(-59 * time.Minute)},
		{`"start_time":"2026-11-19T10:00:00Z","duration":60,"date_updated":"Thu, 19 Nov 2026 10:30:00 +0000"`, eleven.Add(-30 * time.Minute)},
		{`"start_time":"2026-11-19T10:00:00Z","duration":-1,"date_updated":"soon"`, eleven.Add(-time.Hour)},
		{`"date_created":"Thu, 19 Nov 2026 11:00:00 +0100","duration":"3600"`, eleven},
		{`"date_created":"Thu, 19 Nov 2026 11:00:00 +0000","date_updated":"Thu, 19 Nov 2026 11:00:00 +0000","duration":"3600"`, eleven},
		{`"date_created":"2026-11-19T11:00:00Z","duration":"1e300"`, eleven},
		{`"date_created":"2026-11-19T11:00:00Z","duration":"NaN"`, eleven},
		{`"duration":60`, time.Time{}},
	} {
		transport := &canned{status: 200, answers: []string{`{"sid":"RE1","status":"Completed",` + test.json + `}`}}
		r, _, err := newClient(t, "https://x", transport).Recording(t.Context(), "RE1")
		if err != nil || r.Status != "completed" || !r.Ended.Equal(test.want) {
			t.Errorf("%s: Recording = %+v, %v; want that it ended at %v", test.json, r, err, test.want)
		}
	}
}

func TestARecordingThatIsNotThereIsAnErrorWithItsStatus(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "project-1", Token: "PTsecrettoken"})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	c := newClient(t, api.URL, nil)
	_, _, err = c.Recording(t.Context(), "../../RE/1?x")
	if e, ok := errors.AsType[*signalwire.Error](err); !ok || e.Status != http.StatusNotFound {
		t.Errorf("Recording of none = %v, want the status 404", err)
	}
	api.List(peers.Recording{Sid: "RE1", Conference: "CF1", Status: "in-progress", Began: eleven})
	if r, _, err := c.Recording(t.Context(), "RE1"); err != nil || r.Conference != "CF1" || r.Call != "" || r.Status != "in-progress" {
		t.Errorf("Recording = %+v, %v; want that of conference CF1", r, err)
	}
	for _, answer := range []string{``, `[]`, `{}`, `{"sid":null}`, `"RE1"`} {
		_, _, err := newClient(t, "https://x", &canned{status: 200, answers: []string{answer}}).Recording(t.Context(), "RE1")
		if !errors.Is(err, signalwire.ErrNoRecording) {
			t.Errorf("answer %q: Recording = %v, want ErrNoRecording", answer, err)
		}
	}
}

// FuzzRecordings feeds the client listings of all kinds: it must neither panic,
// nor leave the API, nor read for ever, nor take a refusal for a listing.
func FuzzRecordings(f *testing.F) {
	for _, seed := range []string{
		`{"recordings":[{"sid":"RE1","account_sid":"A","status":"completed","duration":"42","channels":1,"date_created":"Thu, 19 Nov 2026 10:00:00 +0000"}],"next_page_uri":"/api/laml/x?Page=1"}`,
		`{"recordings":[{"sid":7,"status":{},"duration":1e99,"start_time":"9999-12-31T23:59:59Z"}],"next_page_uri":null}`,
		`{"recordings":[{}],"next_page_uri":"//evil/api/"}`,
		`{"recordings":[null],"next_page_uri":"https://x/../../"}`,
		`{"sid":"RE1","status":"absent","date_updated":"2026-11-19T10:00:00Z"}`,
	} {
		f.Add(200, seed)
		f.Add(404, seed)
	}
	f.Fuzz(func(t *testing.T, status int, answer string) {
		if status < 100 || status > 999 || status == 429 || status == 503 {
			return
		}
		transport := &canned{status: status, answers: []string{answer}}
		c := newClient(t, "https://x", transport)
		list, err := listAll(t, c, eleven)
		if status/100 != 2 && (err == nil || len(list) > 0) {
			t.Errorf("status %d: %d recordings, %v", status, len(list), err)
		}
		if len(transport.targets) > 2 {
			t.Errorf("%d pages were read of a listing that repeats itself", len(transport.targets))
		}
		r, _, err := c.Recording(t.Context(), "RE1")
		if (err == nil) != (r.Sid != "") || err == nil && status/100 != 2 {
			t.Errorf("status %d: Recording = %+v, %v", status, r, err)
		}
		for _, r := range append(list, r) {
			if r.Length < 0 || r.Ended.Before(r.Created) {
				t.Errorf("a recording of %v was created at %v and ended at %v", r.Length, r.Created, r.Ended)
			}
		}
		for _, target := range transport.targets {
			if !strings.HasPrefix(target, "/api/") {
				t.Errorf("the client asked for %q", target)
			}
		}
	})
}

func TestDeleteRecordingDeletesOneAndNoMore(t *testing.T) {
	for status, ok := range map[int]bool{204: true, 200: true, 404: true, 410: true, 401: false, 403: false, 429: false, 500: false} {
		transport := &canned{status: status, answers: []string{""}}
		err := newClient(t, "https://x", transport).DeleteRecording(t.Context(), "account-1", "RE1")
		if (err == nil) != ok || err != nil && strings.Contains(err.Error(), "RE1") {
			t.Errorf("status %d: DeleteRecording = %v, want fine: %v", status, err, ok)
		}
		if want := []string{"/api/laml/2010-04-01/Accounts/account-1/Recordings/RE1"}; !slices.Equal(transport.targets, want) {
			t.Errorf("asked for %q, want %q", transport.targets, want)
		}
	}
	for _, id := range []string{"", ".", "..", "../..", "a/b", "a?b", "a.json", "-", strings.Repeat("a", 200), "a\n"} {
		transport := &canned{status: 204, answers: []string{""}}
		c := newClient(t, "https://x", transport)
		if c.DeleteRecording(t.Context(), "account-1", id) == nil || c.DeleteRecording(t.Context(), id, "RE1") == nil || len(transport.targets) > 0 {
			t.Errorf("DeleteRecording of %q asked for %q, want an error and no request", id, transport.targets)
		}
	}
}
