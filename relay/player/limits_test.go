package player_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

// miss asks for links that are not there until there is another answer, and
// returns how many were.
func (f *fixture) miss(from string) (n int) {
	f.Helper()
	for n < 1000 {
		got := f.ask("GET", "/r/"+store.NewToken(), "X-Forwarded-For", from)
		if got.status == http.StatusTooManyRequests && got.header.Get("Retry-After") != "" {
			return n
		}
		if got.status != http.StatusNotFound {
			f.Fatalf("a link that is not there = %d, want 404", got.status)
		}
		n++
	}
	return n
}

func TestGuessingIsSlowedDownForEachAddress(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	if n := f.miss("203.0.113.7"); n < 10 || n > 50 {
		t.Errorf("an address may guess %d times, want a few tens", n)
	}
	for _, test := range []struct {
		from string
		want int
	}{
		{"203.0.113.7", http.StatusTooManyRequests}, // even with a link that opens: it may be a guess
		{"spoofed, 203.0.113.7", http.StatusTooManyRequests},
		{"203.0.113.7, 203.0.113.8", http.StatusOK},
		{"203.0.113.8", http.StatusOK},
		{"2001:db8::7", http.StatusOK},
	} {
		for _, path := range []string{"", "/audio"} {
			if got := f.ask("GET", "/r/"+d.Link.Token+path, "X-Forwarded-For", test.from); got.status != test.want {
				t.Errorf("%s from %s = %d, want %d", path, test.from, got.status, test.want)
			}
		}
	}
	f.miss("2001:db8:0:1::7")
	for from, want := range map[string]int{"2001:db8:0:1:ffff::8": http.StatusTooManyRequests, "2001:db8:0:2::7": http.StatusOK} {
		if got := f.ask("GET", "/r/"+d.Link.Token, "X-Forwarded-For", from); got.status != want {
			t.Errorf("from %s = %d, want %d: an IPv6 network counts as one", from, got.status, want)
		}
	}
}

func TestOpeningIsNotGuessing(t *testing.T) {
	f := newFixture(t)
	d := f.link(finished("rec-1"), time.Hour)
	for range 200 {
		if got := f.ask("GET", "/r/"+d.Link.Token+"/audio", "Range", "bytes=0-1"); got.status != http.StatusOK {
			t.Fatalf("a link that opens = %d, want 200 however often", got.status)
		}
	}
}

// What is played is bounded, for one link and for all, and is over at once when
// the service stops.
func TestWhatIsPlayedIsBoundedAndEndsWithTheService(t *testing.T) {
	f := newFixture(t)
	playing := make(chan struct{})
	f.audio = func(w http.ResponseWriter, r *http.Request, _ string) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		playing <- struct{}{}
		<-r.Context().Done()
	}
	var listening sync.WaitGroup
	listen := func(token string) int {
		begun := make(chan int, 1)
		listening.Go(func() {
			resp, err := http.Get(f.url + "/r/" + token + "/audio")
			if err != nil {
				t.Error(err)
				begun <- 0
				return
			}
			begun <- resp.StatusCode
			buf := make([]byte, 1)
			_, _ = resp.Body.Read(buf)
			resp.Body.Close()
		})
		select {
		case <-playing:
			return <-begun
		case status := <-begun:
			if status == http.StatusOK {
				<-playing
			}
			return status
		}
	}
	one := f.link(finished("rec-1"), time.Hour).Link.Token
	n := 0
	for ; listen(one) == http.StatusOK; n++ {
	}
	if n != 16 {
		t.Errorf("one link is played %d times at once, want 16", n)
	}
	for i := range 15 {
		token := f.link(finished(fmt.Sprint("more-", i)), time.Hour).Link.Token
		for range 16 {
			if status := listen(token); status != http.StatusOK {
				t.Fatalf("another link = %d, want 200", status)
			}
		}
	}
	if status := listen(f.link(finished("last"), time.Hour).Link.Token); status != http.StatusServiceUnavailable {
		t.Errorf("with 256 at once another is answered with %d, want 503", status)
	}
	f.player.Close()
	done := make(chan struct{})
	go func() { listening.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("what is played goes on though the service stops")
	}
}
