package archive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/archive/archivetest"
	"ringpost/relay/channel"
)

func TestAServerWithoutRangesIsFoundOut(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
		_, _ = io.WriteString(w, "the whole tone")
	}))
	defer server.Close()
	for _, c := range []Config{
		{URL: "s3://recordings?endpoint=" + server.URL, AccessKey: "a", SecretKey: "b"},
		{URL: "azblob://recordings?endpoint=" + server.URL, Account: "a", Key: "YQ=="},
	} {
		if _, err := open(t, c).bucket.open(t.Context(), "a.mp3", 4); !errors.Is(err, errPart) {
			t.Errorf("%s: open from the fourth byte = %v, want errPart", c.URL, err)
		}
	}
}

func TestAStoreThatIsNotThereIsTheChannelsTrouble(t *testing.T) {
	const nowhere = "127.0.0.1:1" // where nobody listens
	for name, c := range map[string]Config{
		"no folder":              {URL: "file:///nowhere/at/all"},
		"no s3 server":           {URL: "s3://recordings?endpoint=http://" + nowhere, AccessKey: "a", SecretKey: "b"},
		"no azure server":        {URL: "azblob://recordings?endpoint=http://" + nowhere + "/a", Account: "a", Key: "YQ=="},
		"an s3 server in need":   {URL: "s3://recordings?endpoint=" + answering(t, 500), AccessKey: "a", SecretKey: "b"},
		"an azure server so":     {URL: "azblob://recordings?endpoint=" + answering(t, 500), Account: "a", Key: "YQ=="},
		"s3 that sends us on":    {URL: "s3://recordings?endpoint=" + answering(t, 301), AccessKey: "a", SecretKey: "b"},
		"azure that sends us on": {URL: "azblob://recordings?endpoint=" + answering(t, 301), Account: "a", Key: "YQ=="},
	} {
		mustFail(t, name, c, channel.ChannelDown)
	}
	for name, c := range map[string]Config{
		"s3 that is busy":    {URL: "s3://recordings?endpoint=" + answering(t, 503), AccessKey: "a", SecretKey: "b"},
		"azure that is busy": {URL: "azblob://recordings?endpoint=" + answering(t, 429), Account: "a", Key: "YQ=="},
	} {
		err := mustFail(t, name, c, channel.Temporary)
		if e, ok := errors.AsType[*channel.Error](err); !ok || e.Wait == 0 {
			t.Errorf("%s: put = %v, want that it is to be left alone for a while", name, err)
		}
	}
}

func TestAServerThatStopsIsTheChannelsTrouble(t *testing.T) {
	for kind, start := range map[string]func(testing.TB) *archivetest.Store{"s3": archivetest.S3, "azblob": archivetest.Azure} {
		t.Run(kind, func(t *testing.T) {
			s := start(t)
			b := open(t, configOf(s)).bucket
			if err := b.put(t.Context(), newObject("a.mp3", "audio/mpeg", []byte("tone")), false); err != nil {
				t.Fatal(err)
			}
			s.Stop() // connections to it are kept
			if err := b.put(t.Context(), newObject("b.mp3", "audio/mpeg", []byte("tone")), false); channel.ClassOf(err) != channel.ChannelDown {
				t.Errorf("put = %v, want that the channel is down", err)
			}
			if _, err := b.stat(t.Context(), "a.mp3", false); channel.ClassOf(err) != channel.ChannelDown {
				t.Errorf("stat = %v, want that the channel is down", err)
			}
		})
	}
}

// mustFail puts something where that fails in every way, and returns the error.
func mustFail(t *testing.T, name string, c Config, want channel.Class) error {
	t.Helper()
	b := open(t, c).bucket
	_, statErr := b.stat(t.Context(), "private-path.mp3", true)
	_, openErr := b.open(t.Context(), "private-path.mp3", 0)
	putErr := b.put(t.Context(), newObject("private-path.mp3", "audio/mpeg", []byte("tone")), false)
	for doing, err := range map[string]error{"stat": statErr, "open": openErr, "put": putErr} {
		if err == nil || channel.ClassOf(err) != want {
			t.Errorf("%s: %s = %v (class %d), want class %d", name, doing, err, channel.ClassOf(err), want)
		} else if strings.Contains(err.Error(), "private-path") || strings.Contains(err.Error(), "://") {
			t.Errorf("%s: %s = %v, want no URL and no path in it", name, doing, err)
		}
	}
	return putErr
}

func answering(t *testing.T, status int) (endpoint string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestWrongCredentialsAndMissingBucketsAreTheChannelsTrouble(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"wrong key": func(c *Config) { c.SecretKey, c.Key = "another", "YW5vdGhlcg==" },
		"no bucket": func(c *Config) { c.URL = strings.Replace(c.URL, "recordings", "nosuchbucket", 1) },
	} {
		for kind, start := range map[string]func(testing.TB) *archivetest.Store{"s3": archivetest.S3, "azblob": archivetest.Azure} {
			t.Run(kind+", "+name, func(t *testing.T) {
				c := configOf(start(t))
				change(&c)
				err := open(t, c).bucket.put(t.Context(), newObject("a.mp3", "audio/mpeg", []byte("tone")), false)
				if channel.ClassOf(err) != channel.ChannelDown || strings.Contains(err.Error(), c.SecretKey+c.Key) {
					t.Errorf("put = %v, want that the channel is down, and no secret", err)
				}
			})
		}
	}
}

func TestATransferThatDoesNotGetOnEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, r, cancel := watch(t.Context(), bytes.NewReader(make([]byte, 100)), patience)
		defer cancel()
		for range 5 { // which takes longer in all
			time.Sleep(patience / 2)
			if _, err := r.Read(make([]byte, 10)); err != nil || ctx.Err() != nil {
				t.Fatalf("while it gets on: %v, %v; want nil", err, ctx.Err())
			}
		}
		time.Sleep(patience + time.Second)
		if !errors.Is(context.Cause(ctx), errStalled) {
			t.Errorf("once it does not: %v, want errStalled", context.Cause(ctx))
		}
		if err := unanswered(ctx, &url.Error{Op: "Put", URL: "http://x", Err: ctx.Err()}); channel.ClassOf(err) != channel.ChannelDown {
			t.Errorf("that is %v, want the channel's trouble", err)
		}
	})
}
