package store_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
	"ringpost/relay/store/storetest"
)

// logged is a log that a test may wait for.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// troubles are how a server may not be there.
var troubles = []struct {
	name  string
	begin func(*storetest.Proxy)
}{
	{"nobody listens", (*storetest.Proxy).Refuse},
	{"connections are closed once they are made", (*storetest.Proxy).HangUp},
	{"nothing passes", (*storetest.Proxy).Freeze},
}

func TestOpenWaitsForAServerThatIsNotThereYet(t *testing.T) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
			c.begin(proxy)
			var log logged
			opened := make(chan error)
			go func() {
				s, err := store.Open(within(t, 2*patient), url, log.logger())
				if err == nil {
					err = s.Close()
				}
				opened <- err
			}()
			eventually(t, "the log says that it waits", func() bool {
				return strings.Contains(log.String(), `level=WARN msg="waiting for the database" err=`) || len(opened) > 0
			})
			proxy.Restore()
			if err := <-opened; err != nil {
				t.Errorf("Open() = %v, want nil once the server is there", err)
			}
		})
	}
}

func TestOpenWaitsNoLongerThanItsContext(t *testing.T) {
	for _, c := range troubles {
		t.Run(c.name, func(t *testing.T) {
			proxy, url := storetest.NewProxy(t, storetest.Postgres(t))
			c.begin(proxy)
			start := time.Now()
			_, err := store.Open(within(t, 300*time.Millisecond), url, new(logged).logger())
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Open() = %v, want that its time is over", err)
			}
			if took := time.Since(start); took > patient {
				t.Errorf("Open() took %v, want no longer than its context", took)
			}
			proxy.Restore()
		})
	}
}

// TestARefusalIsSaidAtOnceAndNamesNoPassword opens what waiting does not mend.
func TestARefusalIsSaidAtOnceAndNamesNoPassword(t *testing.T) {
	u, err := url.Parse(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	none := *u
	none.Path = "none"
	nowhere := *u
	nowhere.RawQuery = "search_path=ringpost_none"
	for name, c := range map[string]struct{ url, want string }{
		"no such database":    {none.String(), "does not exist"},
		"no such user":        {"postgres://nobody:s3cret@" + server + "/postgres", "nobody"},
		"a slash":             {"postgres://kim:s3cret/more@" + server + "/postgres", "open store"},
		"a hash":              {"postgres://kim:s3cret#more@" + server + "/postgres", "open store"},
		"a percent sign":      {"postgres://kim:s3cret%zz@" + server + "/postgres", "open store"},
		"a space":             {"postgres://kim:s3cret more@" + server + "/postgres", "open store"},
		"a setting":           {"postgres://kim:s3cret@" + server + "/postgres?sslmode=never", "sslmode"},
		"in the query":        {"postgres://kim@" + server + "/postgres?password=s3cret&sslmode=never", "sslmode"},
		"a port":              {"postgres://kim:s3cret@127.0.0.1:x/postgres", "open store"},
		"a schema of nothing": {nowhere.String(), "schema"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(within(t, patient), c.url, new(logged).logger())
			if err == nil {
				s.Close()
				t.Fatal("Open() = nil, want an error")
			}
			t.Log(err)
			if errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Open() = %v, want an error at once that says %q", err, c.want)
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Open() = %v, want no password in it", err)
			}
		})
	}
}
