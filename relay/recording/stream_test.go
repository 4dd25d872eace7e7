package recording_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"ringpost/relay/recording"
)

// deadline bounds what a test waits for on a busy machine.
const deadline = 30 * time.Second

func TestAudioIsPassedOnAsItComes(t *testing.T) {
	heard := make(chan struct{})
	provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "audio/mpeg")
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		select {
		case <-heard:
			io.WriteString(w, "second")
		case <-r.Context().Done():
		}
	})
	p := newPlayer(t, recording.Config{APIURL: provider.URL})
	resp, err := p.ask(t.Context(), provider.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, len("first"))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("while the provider still plays: %q, %v; want the first part", first, err)
	}
	close(heard)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
		t.Errorf("the rest = %q, %v; want the second part", rest, err)
	}
}

func TestAProviderThatDoesNotAnswerIsNotWaitedFor(t *testing.T) {
	provider := newProvider(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := newPlayer(t, recording.Config{APIURL: provider.URL, Patience: 50 * time.Millisecond})
	p.mustRefuse(provider.URL+"/private-id", 504, "does not answer in time")
	provider.Close()
	p = newPlayer(t, recording.Config{APIURL: provider.URL})
	p.mustRefuse(provider.URL+"/private-id", 502, "cannot be reached")
}

// An answer that is cut must not pass for a whole one, whether its length was
// said or not.
func TestACutStreamIsCutForThePlayerToo(t *testing.T) {
	for _, length := range []string{"", "100"} {
		for name, end := range map[string]func(*http.Request){
			"cut":     func(*http.Request) { panic(http.ErrAbortHandler) },
			"stalled": func(r *http.Request) { <-r.Context().Done() },
		} {
			provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "audio/mpeg")
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				io.WriteString(w, "first")
				w.(http.Flusher).Flush()
				end(r)
			})
			p := newPlayer(t, recording.Config{APIURL: provider.URL, Patience: time.Second})
			resp, err := p.ask(t.Context(), provider.URL+"/private-id")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != "first" || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, length %q: %q, %v; want the first part and an unexpected end", name, length, body, err)
			}
			p.server.Close() // waits for the handler, which logs
			if said := p.log.String(); !strings.Contains(said, "recording broken off") || strings.Contains(said, "private-id") {
				t.Errorf("%s, length %q: logged %q", name, length, said)
			}
		}
	}
}

func TestAPlayerThatGoesAwayEndsTheRequestToTheProvider(t *testing.T) {
	for _, begun := range []bool{false, true} {
		asked, ended := make(chan struct{}), make(chan struct{})
		provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			if begun {
				w.Header().Set("Content-Type", "audio/mpeg")
				io.WriteString(w, "first")
				w.(http.Flusher).Flush()
			}
			close(asked)
			<-r.Context().Done()
			close(ended)
		})
		p := newPlayer(t, recording.Config{APIURL: provider.URL})
		ctx, leave := context.WithCancel(t.Context())
		go func() {
			<-asked
			leave()
		}()
		if resp, err := p.ask(ctx, provider.URL); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		select {
		case <-ended:
		case <-time.After(deadline):
			t.Fatalf("the provider, having begun: %v, is still asked after the player left", begun)
		}
		p.server.Close()
		if said := p.log.String(); said != "" {
			t.Errorf("a player that left is logged: %s", said)
		}
	}
}

// A player that takes nothing holds up the provider no longer than it is waited
// for.
func TestAPlayerThatTakesNothingIsLeft(t *testing.T) {
	ended := make(chan struct{})
	provider := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		w.Header().Set("Content-Type", "audio/mpeg")
		for block := make([]byte, 1<<20); ; {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	p := newPlayer(t, recording.Config{APIURL: provider.URL, Patience: time.Second})
	resp, err := p.ask(t.Context(), provider.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() // without having read
	select {
	case <-ended:
	case <-time.After(deadline):
		t.Fatal("the provider is still held up")
	}
}
