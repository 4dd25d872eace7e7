package signalwire_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringpost/relay/signalwire"
)

func sids(messages []signalwire.SentMessage) []string {
	var sids []string
	for _, m := range messages {
		sids = append(sids, m.Sid)
	}
	return sids
}

func TestMessagesReadsPagesUntilTheyAreOlder(t *testing.T) {
	page := func(next string, messages ...string) string {
		return fmt.Sprintf(`{"messages":[%s],"next_page_uri":%s}`, strings.Join(messages, ","), next)
	}
	sent := func(sid, at string) string { return fmt.Sprintf(`{"sid":%q,"body":"b","date_created":%q}`, sid, at) }
	// What counts is the API's clock, wherever ours is.
	eleven := http.Header{"Date": {"Thu, 19 Nov 2026 11:00:00 GMT"}}
	transport := &canned{status: 200, header: eleven, answers: []string{
		page(`"/api/laml/2?a=b%2B"`, sent("1", "Thu, 19 Nov 2026 12:00:00 +0100"), sent("2", "2026-11-19T10:00:00Z")),
		page(`"https://x/api/laml/3"`, sent("3", "Thu, 19 Nov 2026 09:59:59 +0000"), sent("4", "who knows")),
		page(`"/api/laml/4"`, sent("5", "Thu, 19 Nov 2026 09:00:00 +0000")),
	}}
	got, err := newClient(t, "https://x", transport).Messages(t.Context(), "+1555", "+1444", time.Hour)
	if want := []string{"1", "2", "4"}; err != nil || !slices.Equal(sids(got), want) {
		t.Errorf("Messages = %v, %v; want %v", sids(got), err, want)
	}
	if want := []string{
		"/api/laml/2010-04-01/Accounts/project-1/Messages.json?From=%2B1444&PageSize=50&To=%2B1555",
		"/api/laml/2?a=b%2B",
		"/api/laml/3",
	}; !slices.Equal(transport.targets, want) {
		t.Errorf("asked for %q, want %q", transport.targets, want)
	}
}

func TestMessagesIsCompleteOrFails(t *testing.T) {
	for _, answer := range []string{
		``, `null`, `[]`, `{}`, `{"messages":null}`, `{"messages":"none"}`, `{"messages":[1]}`,
		`{"messages":[],"next_page_uri":7}`,
		`{"messages":[],"next_page_uri":"https://evil.example.com/api/laml/2"}`,
		`{"messages":[],"next_page_uri":"http://x/api/laml/2"}`,
		`{"messages":[],"next_page_uri":"//evil.example.com/api/laml/2"}`,
		`{"messages":[],"next_page_uri":"/admin"}`,
		`{"messages":[],"next_page_uri":"/api/../admin"}`,
		`{"messages":[],"next_page_uri":"/api/%2e%2e/admin"}`,
		`{"messages":[],"next_page_uri":"/api/laml/the-same-for-ever"}`,
	} {
		transport := &canned{status: 200, answers: []string{answer}}
		got, err := newClient(t, "https://x", transport).Messages(t.Context(), "+1555", "", time.Hour)
		if !errors.Is(err, signalwire.ErrIncomplete) {
			t.Errorf("answer %q: Messages = %v, %v; want ErrIncomplete", answer, got, err)
		}
		if n := len(transport.targets); n > 20 {
			t.Errorf("answer %q: %d pages were read, want 20 at most", answer, n)
		}
	}
}
