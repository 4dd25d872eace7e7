package main_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// pageRows is how many recordings the page is measured with.
const pageRows = 100_000

// measurePages measures every page, and every kind of search, over two months of
// recordings.
func measurePages(t *testing.T, r *report, kind storeKind) {
	t.Helper()
	in := newInbox(t)
	url := freshStore(t, kind.name)
	s := newServerOn(t, t.TempDir(), url, loadConfig(in.Mail))
	s.start()
	if err := s.terminate(); err != nil { // which made the schema, and kept the rules
		t.Fatal(err)
	}
	began := time.Now()
	fill(t, kind.name, url, pageRows, history()...)
	r.note(fmt.Sprintf("filling in %d recordings", pageRows), "%.0f s", time.Since(began).Seconds())
	s.start()
	s.mustPost(completed("new"), "?agent=alice")
	s.refuse(100)
	pages, searches := pageQueries(s), searchQueries()
	s.measureAnswers(r, fmt.Sprintf("page: slowest of %d", len(pages)), 100, pages)
	s.measureAnswers(r, fmt.Sprintf("page: slowest of %d searches", len(searches)), 100, searches)
	r.note("page: memory", "%.0f MB", memory(s))
	if err := s.terminate(); err != nil {
		t.Fatal(err)
	}
}

// refuse has the server refuse so many requests, and waits until they are kept.
func (s *server) refuse(n int) {
	s.t.Helper()
	for range n {
		resp, err := http.PostForm("http://"+s.callbacks+"/callbacks/recording", completed(""))
		if err != nil {
			s.t.Fatal(err)
		}
		resp.Body.Close()
	}
	eventually(s.t, "the refused requests are kept", time.Minute, func() bool { return s.answers("/health/refused/1") })
}

// answers reports whether there is such a page.
func (s *server) answers(path string) bool {
	resp, err := http.Get("http://" + s.admin + path)
	if err != nil {
		s.t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// pageQueries returns the pages, without those of what is searched for.
func pageQueries(s *server) []string {
	newest := pageRows + 1
	pages := []string{"/recordings", "/rules", "/channels", "/health", "/health/refused/1"}
	for _, id := range []int{1, 20, pageRows / 2, pageRows - 3, newest} {
		pages = append(pages, fmt.Sprint("/recordings/", id), fmt.Sprint("/rules/try/", id), fmt.Sprintf("/deliveries/%d/html", 2*id-1),
			fmt.Sprint("/recordings?before=", id))
	}
	for _, page := range pages {
		if !s.answers(page) {
			s.t.Fatalf("there is no page %s", page)
		}
	}
	return pages
}

// searchQueries returns searches with each of the fields, with two of them, and
// with all, for what is frequent, rare and absent in what [history] has.
func searchQueries() (queries []string) {
	const layout = "2006-01-02T15:04"
	ago := func(days int) string { return time.Now().AddDate(0, 0, -days).Format(layout) }
	texts := []string{"", filledRecording, filledCall, filledAgent, "+1555", "+", "manager", "manager0@example.com", "manager3", "MANAGER17@",
		"r", "none", "zzz", "RE1001"}
	states := []string{"", "queued", "sending", "retrying", "delivered", "dead", "cancelled", "unknown", "shadow"}
	spans := []struct{ from, until string }{{}, {ago(1), ""}, {"", ago(50)}, {ago(31), ago(30)}, {ago(70), ago(65)}}
	for i, text := range texts {
		for j, state := range states {
			for k, span := range spans {
				if i > 0 && j > 0 && k > 0 && (i+j+k)%4 > 0 { // of those with all of them a fourth is enough
					continue
				}
				queries = append(queries, "/recordings?"+url.Values{
					"q": {text}, "state": {state}, "from": {span.from}, "until": {span.until}}.Encode())
			}
		}
	}
	return queries
}
