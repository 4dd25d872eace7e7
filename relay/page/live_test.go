package page_test

import (
	"bufio"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// event is a server-sent event.
type event struct{ name, id, data string }

// listen opens the stream that the page at path names, and returns its events.
func (f *fixture) listen(path string, lastID string) <-chan event {
	f.Helper()
	m := regexp.MustCompile(`sse-connect="([^"]+)"`).FindStringSubmatch(f.get(path).body)
	if m == nil {
		f.Fatal("the page is not live")
	}
	return f.stream(html.UnescapeString(m[1]), lastID)
}

func (f *fixture) stream(path, lastID string) <-chan event {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), http.MethodGet, f.url+path, nil)
	if err != nil {
		f.Fatal(err)
	}
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		f.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		f.Fatalf("GET %s = %d, %v", path, resp.StatusCode, resp.Header)
	}
	events := make(chan event, 100)
	go func() {
		defer resp.Body.Close()
		defer close(events)
		var e event
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch key {
			case "event":
				e.name = value
			case "id":
				e.id = value
			case "data":
				e.data += value + "\n"
			case "":
				if e.name != "" && value == "" {
					events <- e
					e = event{}
				}
			case "retry":
			default:
				f.Errorf("the stream has the line %q", lines.Text())
			}
		}
	}()
	return events
}

// next returns the next event.
func next(t *testing.T, events <-chan event) event {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok {
			t.Fatal("the stream ended")
		}
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
	}
	return event{}
}

// matched returns the next event with that row in it once the callback has been
// matched against the rules: the list may be read before that, too.
func matched(t *testing.T, events <-chan event, row string) event {
	t.Helper()
	for {
		if e := next(t, events); strings.Contains(e.data, `id="`+row+`"`) && !strings.Contains(e.data, "Not matched") {
			return e
		}
	}
}

func TestTheListFollowsWhatHappens(t *testing.T) {
	f := newFixture(t)
	one := f.receive(call("rec-1"))
	events := f.listen("/recordings", "")
	f.receive(call("rec-2"))
	e := matched(t, events, "recording-2")
	if e.name != "new" || strings.Contains(e.data, "recording-1") {
		t.Errorf("after a callback came %+v, want its row alone, to be put first", e)
	}
	f.finish(one.Deliveries[0], store.Dead, "550 no")
	e = next(t, events)
	if e.name != "new" || !strings.Contains(e.data, `<li class="row" id="recording-1" hx-swap-oob="true">`) ||
		!strings.Contains(e.data, `data-state="dead"`) || strings.Contains(e.data, "recording-2") {
		t.Errorf("after a delivery changed came %+v, want its row alone, in the place of the old one", e)
	}
}

func TestASearchIsLiveToo(t *testing.T) {
	f := newFixture(t)
	one := f.receive(call("rec-1"))
	f.receive(call("rec-2"))
	events := f.listen("/recordings?state=dead", "")
	f.finish(one.Deliveries[0], store.Dead, "550 no")
	if e := next(t, events); e.name != "all" || !strings.Contains(e.data, "recording-1") || strings.Contains(e.data, "recording-2") {
		t.Errorf("after the first one was dead came %+v, want the list", e)
	}
	if err := f.Retry(t.Context(), one.Deliveries[0].ID, "kim"); err != nil {
		t.Fatal(err)
	}
	if e := next(t, events); e.name != "all" || !strings.Contains(e.data, "Nothing is found") {
		t.Errorf("after the last one was retried came %+v, want an empty list", e)
	}
}

func TestWhoeverComesBackGetsWhatTheyMissed(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1"))
	shown := f.get("/recordings").body
	f.receive(call("rec-2"))
	m := regexp.MustCompile(`sse-connect="([^"]+)"`).FindStringSubmatch(shown)
	path := html.UnescapeString(m[1])
	e := next(t, f.stream(path, ""))
	if e.name != "all" || !strings.Contains(e.data, "recording-2") || !strings.Contains(e.data, "recording-1") {
		t.Errorf("who shows an old list gets %+v, want all of the new one", e)
	}
	again := f.stream(path, e.id)
	f.receive(call("rec-3"))
	if e := next(t, again); !strings.Contains(e.data, "recording-3") {
		t.Errorf("who shows the list as it is gets %+v, want no more than what comes then", e)
	}
}

func TestWhatCallersWriteEndsNoLineOfAStream(t *testing.T) {
	f := newFixture(t)
	events := f.listen("/recordings", "")
	f.receive(call("rec-1", func(cb *callback.Callback) { cb.RecordingSource = "x\revent: all\ndata: <script>\r\rid: 7" }))
	e := next(t, events)
	if strings.Contains(e.data, "<script>") || e.id == "7" {
		t.Errorf("a source has made the event %+v", e)
	}
}

func TestStreamsAreBounded(t *testing.T) {
	f := newFixture(t)
	for range 64 {
		f.listen("/recordings", "")
	}
	f.must(f.get("/live/recordings"), 503, "too many people")
	f.must(f.get("/recordings"), 200)
}

func TestAStreamOutlivesTheTimeForARequest(t *testing.T) {
	f := newFixture(t)
	impatient := httptest.NewUnstartedServer(f.handler)
	impatient.Config.ReadTimeout, impatient.Config.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond
	impatient.Start()
	defer impatient.Close()
	defer f.page.Close()
	f.url = impatient.URL
	events := f.listen("/recordings", "")
	for begin, n := time.Now(), 0; time.Since(begin) < time.Second; n++ {
		f.receive(call(fmt.Sprintf("rec-%d", n)))
		next(t, events)
	}
}

func TestStreamsEndWithTheService(t *testing.T) {
	f := newFixture(t)
	events := f.listen("/recordings", "")
	f.page.Close()
	select {
	case e, ok := <-events:
		if ok {
			t.Errorf("after the end came %+v", e)
		}
	case <-time.After(10 * time.Second):
		t.Error("the stream goes on after the end")
	}
	f.must(f.get("/live/recordings"), 503)
}

func TestAStreamEndsWhereTheStoreIsAway(t *testing.T) {
	f := newFixture(t)
	events := f.listen("/recordings", "")
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case e, ok := <-events:
		if ok {
			t.Errorf("from a store that is away came %+v", e)
		}
	case <-time.After(10 * time.Second):
		t.Error("the page is told that it is live, and it is not")
	}
	f.must(f.get("/live/recordings"), 503, "The store does not answer")
}
