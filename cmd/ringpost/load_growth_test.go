package main_test

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// measureGrowth measures a store in which a dead channel's deliveries wait
// beside as many finished ones, in turns with an empty store.
func measureGrowth(t *testing.T, r *report, kind storeKind) {
	t.Helper()
	in := newInbox(t)
	dead := freeAddress(t) // nobody listens there
	_, port, _ := net.SplitHostPort(dead)
	config := loadConfig(in.Mail) + "[channel.dead]\nkind = \"email\"\nhost = \"127.0.0.1\"\ntls = \"none\"\n" +
		"from = \"recordings@example.com\"\nport = " + port + "\n"
	start := func(url string) *server {
		s := newServerOn(t, t.TempDir(), url, config)
		s.start()
		return s
	}
	url := freshStore(t, kind.name)
	if err := start(url).terminate(); err != nil { // which made the schema
		t.Fatal(err)
	}
	began := time.Now()
	fill(t, kind.name, url, *loadRows, backlog()...)
	r.note(fmt.Sprintf("filling in %d waiting and %d finished", *loadRows, *loadRows), "%.0f s", time.Since(began).Seconds())

	empty := start(freshStore(t, kind.name))
	began = time.Now()
	full := start(url)
	r.atMost("full: start to ready", "%.2f s", 1, time.Since(began).Seconds())
	compareIntake(t, r, empty, full)
	compareLatency(t, r, in, empty, full)
	measureLists(r, full)
	r.atMost("full: memory", "%.0f MB", 100, memory(full))
	for _, s := range []*server{empty, full} {
		if err := s.terminate(); err != nil {
			t.Fatal(err)
		}
	}
}

func compareIntake(t *testing.T, r *report, empty, full *server) {
	t.Helper()
	const rounds, perRound, connections = 5, 20_000, 256
	rates := make(map[*server][]float64)
	for range rounds {
		for _, s := range []*server{empty, full} {
			rates[s] = append(rates[s], acknowledged(t, s.callbacks, connections, started(perRound)))
			eventually(t, "the callbacks are routed", time.Minute, s.routed)
		}
	}
	r.note("full: callbacks/s, durable", "%.0f", median(rates[full]))
	r.atLeast("full: the same beside empty", "%.2f", 0.8, ratio(rates[full], rates[empty]))
}

func compareLatency(t *testing.T, r *report, in *inbox, empty, full *server) {
	t.Helper()
	const rounds, perRound = 2, 150
	took := make(map[*server][]time.Duration)
	for range rounds {
		for _, s := range []*server{empty, full} {
			took[s] = append(took[s], latencies(t, s, in, perRound)...)
		}
	}
	r.note("full: callback to acceptance, p50", "%.2f ms", milliseconds(median(took[full])))
	r.atMost("full: the same beside empty", "%.2f", 1.2, float64(median(took[full]))/float64(median(took[empty])))
}

// measureLists measures the admin API's lists.
func measureLists(r *report, s *server) {
	s.t.Helper()
	s.measureAnswers(r, "full: slowest list", 50, listQueries())
}

// measureAnswers measures what the admin listener answers to each of queries, by
// the median of its answers: the first of them may wait for the disk. It reports
// the slowest one, and every other one that takes longer than limit, in
// milliseconds.
func (s *server) measureAnswers(r *report, what string, limit float64, queries []string) {
	s.t.Helper()
	const times = 5
	took := make(map[string]float64)
	for _, query := range queries {
		var answers []time.Duration
		for range times {
			answers = append(answers, s.timed(query))
		}
		took[query] = milliseconds(median(answers))
	}
	slices.SortStableFunc(queries, func(a, b string) int { return cmp.Compare(took[b], took[a]) })
	for i, query := range queries {
		if i == 0 || took[query] > limit {
			r.atMost(what+", "+query, "%.2f ms", limit, took[query])
		}
	}
}

// timed returns how long the admin API takes to answer a query.
func (s *server) timed(query string) time.Duration {
	s.t.Helper()
	start := time.Now()
	resp, err := http.Get("http://" + s.admin + query)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("GET %s = %s, %v", query, resp.Status, err)
	}
	return time.Since(start)
}

// listQueries returns queries with each of the filters, for what is frequent,
// rare and absent in what [fill] wrote, and with those together that people
// use.
func listQueries() []string {
	filters := []string{
		"", "recording=" + filledRecording, "recording=none", "since=1h", "since=40h", "since=1ns", fmt.Sprint("after=", *loadRows),
	}
	var queries []string
	for _, filter := range filters {
		queries = append(queries, "/api/callbacks?"+filter)
	}
	filters = append(filters, "to=r17@example.com", "to=none", "channel=email", "channel=dead", "channel=none",
		"channel=dead&state=retrying", "channel=dead&state=delivered", "channel=email&state=dead", "channel=email&state=queued",
		"to=r17@example.com&state=dead", "state=queued&since=40h", "recording="+filledRecording+"&state=delivered")
	for _, state := range []string{"queued", "sending", "retrying", "delivered", "dead", "cancelled", "unknown", "shadow"} {
		filters = append(filters, "state="+state)
	}
	for _, filter := range filters {
		queries = append(queries, "/api/deliveries?"+filter)
	}
	return queries
}
