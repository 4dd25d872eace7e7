package page_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

func TestTheFirstPageIsTheRecordings(t *testing.T) {
	f := newFixture(t)
	if a := f.get("/"); a.status != 303 || a.header.Get("Location") != "/recordings" {
		t.Errorf("GET / = %d to %q, want a redirect to /recordings", a.status, a.header.Get("Location"))
	}
	f.must(f.get("/recordings"), 200, "No recordings yet")
}

func TestARowSaysWhoWasToldAndByWhichRules(t *testing.T) {
	f := newFixture(t)
	r := f.receive(call("rec-1"))
	f.finish(r.Deliveries[0], store.Delivered, "")
	f.finish(r.Deliveries[1], store.Dead, "550 no such user")
	f.finish(r.Deliveries[2], store.Retrying, "timed out")
	row := rowOf(t, f.get("/recordings").body, 1)
	for _, want := range []string{"rec-1", "Dialled call, 1 min 34 s", "Recorded", `<a id="open-1" href="/recordings/1">`,
		"managers get every finished recording · agents get a link to their own calls",
		`data-state="delivered"><span class="chip-who">Email to alice</span> delivered`,
		`data-state="dead"><span class="chip-who">Email to carol@example.com</span> not delivered`,
		`data-state="retrying"><span class="chip-who">SMS to alice</span> trying again`} {
		if !strings.Contains(row, want) {
			t.Errorf("the row does not hold %q: %s", want, row)
		}
	}
}

func TestARowSaysThatNobodyIsTold(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1", func(cb *callback.Callback) { cb.RecordingStatus = "absent" }))
	row := rowOf(t, f.get("/recordings").body, 1)
	for _, want := range []string{"No audio", "No rule matched", "nobody is told"} {
		if !strings.Contains(row, want) {
			t.Errorf("the row does not hold %q: %s", want, row)
		}
	}
}

func TestARowTellsTheRulesOfItsTime(t *testing.T) {
	f := newFixture(t)
	f.receive(call("rec-1"))
	changed := f.plan.Rules.Definition().Rules[0]
	changed.Name = "renamed since"
	f.follow(newPlan(t, changed))
	f.receive(call("rec-2"))
	body := f.get("/recordings").body
	if row := rowOf(t, body, 1); !strings.Contains(row, "managers get every finished recording") {
		t.Errorf("the rules of then are not told: %s", row)
	}
	if row := rowOf(t, body, 2); !strings.Contains(row, "renamed since") {
		t.Errorf("the rules of now are not told: %s", row)
	}
}

// rowOf returns the row of a callback.
func rowOf(t *testing.T, body string, id int) string {
	t.Helper()
	_, row, ok := strings.Cut(body, fmt.Sprintf(`<li class="row" id="recording-%d"`, id))
	if !ok {
		t.Fatalf("there is no row of callback %d: %s", id, body)
	}
	if i := strings.Index(row, `<li class="row"`); i >= 0 {
		row = row[:i]
	}
	return row
}

// rows returns the recordings on a page, in their order.
func rows(body string) (ids []string) {
	for _, m := range regexp.MustCompile(`href="/recordings/(\d+)">`).FindAllStringSubmatch(body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

func TestASearchIsALinkAndFindsWhatItSays(t *testing.T) {
	f := newFixture(t)
	one := f.receive(call("rec-1"))
	f.receive(call("rec-2", func(cb *callback.Callback) { cb.Query = map[string]string{"agent": "bob"} }))
	f.finish(one.Deliveries[0], store.Dead, "550 no")
	tomorrow := url.QueryEscape(time.Now().Add(24 * time.Hour).Format("2006-01-02T15:04"))
	today := time.Now().Format("2006-01-02")
	for query, want := range map[string]string{
		"":                      "[2 1]",
		"q=rec-1":               "[1]",
		"q=call-of-rec-2":       "[2]",
		"q=%2B155501000":        "[2 1]",
		"q=%2B15550100002":      "[2]",
		"q=nobody":              "[]",
		"q=Bob":                 "[2]", // a contact with a phone
		"q=alice":               "[2 1]",
		"state=dead":            "[1]",
		"state=cancelled":       "[]",
		"q=alice&state=dead":    "[1]",
		"from=" + tomorrow:      "[]",
		"until=" + tomorrow:     "[2 1]",
		"from=" + today:         "[2 1]",
		"until=2001-02-03":      "[]",
		"q=+rec-1+":             "[1]",
		"before=2":              "[1]",
		"q=rec-1&state=unknown": "[]",
	} {
		a := f.get("/recordings?" + query)
		f.must(a, 200)
		if got := fmt.Sprint(rows(a.body)); got != want {
			t.Errorf("GET /recordings?%s shows %s, want %s", query, got, want)
		}
	}
	f.must(f.get("/recordings?q=rec-1&state=dead&from=2026-11-01&until=2026-11-24"), 200, `value="rec-1"`,
		`<option value="dead" selected>`, `value="2026-11-01T00:00"`, `value="2026-11-24T23:59"`)
}

func TestASearchThatIsNoneIsA400ThatSaysWhatWouldBeRight(t *testing.T) {
	f := newFixture(t)
	for query, want := range map[string]string{
		"state=sent":                     "Choose one from the list",
		"from=tomorrow":                  "want a date and time such as",
		"before=x":                       "Begin again at the newest",
		"q=" + strings.Repeat("x", 1000): "none is that long",
	} {
		f.must(f.get("/recordings?"+query), 400, want)
	}
}

func TestOlderRecordingsAreAPageAway(t *testing.T) {
	f := newFixture(t)
	for i := range 60 {
		f.receive(call(fmt.Sprintf("rec-%d", i), func(cb *callback.Callback) { cb.Query = nil }))
	}
	a := f.get("/recordings?q=&state=")
	if got := rows(a.body); len(got) != 50 || got[0] != "60" || got[49] != "11" {
		t.Fatalf("the first page shows %v, want 60 to 11", got)
	}
	m := regexp.MustCompile(`href="([^"]+)" rel="next"`).FindStringSubmatch(a.body)
	if m == nil || m[1] != "/recordings?before=11" {
		t.Fatalf("the link to older ones is %v", m)
	}
	a = f.get(m[1])
	if got := rows(a.body); len(got) != 10 || got[0] != "10" {
		t.Errorf("the second page shows %v, want 10 to 1", got)
	}
	if strings.Contains(a.body, "sse-connect") || strings.Contains(a.body, `rel="next"`) {
		t.Errorf("the last page is live, or leads on: %s", a.body)
	}
}
