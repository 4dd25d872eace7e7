package main_test

import (
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// measureIntake measures acknowledged callbacks a second beside the same path
// without the store, and returns the latter.
func measureIntake(t *testing.T, r *report, kind storeKind, s *server, withoutStore string) (noStore float64) {
	t.Helper()
	const rounds, perRound, connections = 5, 40_000, 256
	var bare, durable []float64
	for range rounds {
		bare = append(bare, acknowledged(t, withoutStore, connections, started(perRound)))
		durable = append(durable, acknowledged(t, s.callbacks, connections, started(perRound)))
		eventually(t, "the callbacks are routed", time.Minute, s.routed)
	}
	noStore = median(bare)
	r.note("callbacks/s without a store", "%.0f", noStore)
	r.note("callbacks/s, durable", "%.0f", median(durable))
	r.atLeast("durable beside without a store", "%.2f", kind.durable, ratio(durable, bare))
	return noStore
}

// acknowledged returns how many of the callbacks are acknowledged a second,
// which must be all of them.
func acknowledged(t *testing.T, addr string, connections int, all [][]byte) (perSecond float64) {
	t.Helper()
	accepted, took := pour(t, addr, connections, all)
	if accepted != len(all) {
		t.Fatalf("%d of %d callbacks were accepted", accepted, len(all))
	}
	return float64(accepted) / took.Seconds()
}

// started returns requests for callbacks that no rule matches.
func started(n int) [][]byte {
	return requests(n, func(form url.Values) { form.Set("RecordingStatus", "in-progress") })
}

// finished returns requests for callbacks that set off one email each.
func finished(n int) [][]byte { return requests(n, func(url.Values) {}) }

func requests(n int, change func(url.Values)) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		form := completed("")
		change(form)
		all[i] = request(form)
	}
	return all
}

// routed reports whether the callback that came last is routed, as then are
// those before it.
func (s *server) routed() bool {
	var page struct {
		Callbacks []struct {
			RoutedAt *time.Time `json:"routed_at"`
		} `json:"callbacks"`
	}
	s.get("/api/callbacks?limit=1", &page)
	return len(page.Callbacks) == 0 || page.Callbacks[0].RoutedAt != nil
}

// startWithoutStore runs this test binary as the server without a store.
func startWithoutStore(t *testing.T) (addr string) {
	t.Helper()
	addr = freeAddress(t)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), "RINGPOST_TEST_WITHOUT_STORE="+addr, "GOGC=400") // as serve collects
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	command.Stderr = log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		log.Close()
	})
	eventually(t, "the server without a store listens", 10*time.Second, func() bool {
		resp, err := http.Get("http://" + addr)
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	return addr
}
