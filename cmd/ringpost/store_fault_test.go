package main_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAFullDiskIsA503AndHealsByItself runs the store on a tiny file system that
// fills up: from then on callbacks are answered with 503 and not acknowledged.
// Once there is room again, what was acknowledged before goes out, and callbacks
// are accepted, without a restart.
func TestAFullDiskIsA503AndHealsByItself(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a tiny file system cannot be mounted here, which takes root: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newScenarioIn(t, dir, "store: the disk is full", settings{}).start()
	status := 0
	var o order
	for n := 0; status != http.StatusServiceUnavailable; n++ {
		var err error
		o = s.anOrder()
		if status, err = s.server.post(completed(o.recording), o.query); err != nil {
			t.Fatal(err)
		}
		if status == http.StatusOK {
			s.acknowledge(o.wanted...)
		}
		if n > 5000 {
			t.Fatal("the disk does not fill up")
		}
	}
	if status, err := s.server.post(completed(o.recording), o.query); err == nil && status/100 == 2 {
		t.Errorf("POST with a full disk = %d, want 503", status)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s.insist(o)
	s.settle()
}

// TestASecondProcessOnTheSameStoreIsRefused starts a second server on the file of
// the first: it says so and exits with 1, and the first goes on.
func TestASecondProcessOnTheSameStoreIsRefused(t *testing.T) {
	s := newScenario(t, "store: a second process on the same file", settings{}).start()
	second := newServerOn(t, t.TempDir(), s.server.store, s.config(settings{}))
	if out, code := second.failToServe(); code != 1 || !strings.Contains(out, "in use by another process") {
		t.Errorf("a second serve = %d, %s; want 1 and that the store is in use", code, out)
	}
	s.post(5)
	s.settle()
}

// TestADamagedStoreIsSaidAndLeftAlone starts the service on files that are no
// SQLite database any more: it says what to do, exits with 1, and leaves the file
// byte for byte as it was, with nothing beside it but the lock. Put back, the
// backup works, and nothing is sent again.
func TestADamagedStoreIsSaidAndLeftAlone(t *testing.T) {
	s := newScenario(t, "store: the file is damaged", settings{}).start()
	s.post(50)
	s.settle()
	if err := s.server.terminate(); err != nil {
		t.Fatal(err)
	}
	file := s.server.file("ringpost.db")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	zeroed := bytes.Clone(good)
	clear(zeroed[:4096])
	for what, content := range map[string][]byte{
		"text":            []byte(strings.Repeat("this is no database\n", 1000)),
		"its first page":  zeroed,
		"half of it":      good[:len(good)/8192*4096],
		"one page":        good[:4096],
		"its first bytes": good[:50],
	} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		out, code := s.server.failToServe()
		if code != 1 || !strings.Contains(out, "damaged or no SQLite database") {
			t.Errorf("%s: serve = %d, %s; want 1 and that the file is damaged", what, code, out)
		}
		if left, err := os.ReadFile(file); err != nil || !bytes.Equal(left, content) {
			t.Errorf("%s: the file was changed (%v)", what, err)
		}
		for _, beside := range []string{"-wal", "-shm", "-journal"} {
			if _, err := os.Stat(file + beside); err == nil {
				t.Errorf("%s: serve left a file %s", what, filepath.Base(file)+beside)
			}
		}
	}
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.post(5)
	s.settle()
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	mail, _ := newMailbox(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := newServer(t, t.TempDir(), "")
	s.callbacks = l.Addr().String()
	s.writeConfig(oneEmail(mail))
	if out, code := s.failToServe(); code != 1 || !strings.Contains(out, "listen for callbacks: ") {
		t.Errorf("serve on a taken port = %d, %s; want 1 and the reason", code, out)
	}
}

// failToServe runs a server that is to exit by itself, and returns what it said
// and its exit code; -1 where it had to be ended.
func (s *server) failToServe() (out string, code int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	printed, err := s.serve(ctx).CombinedOutput()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(printed), e.ExitCode()
	}
	return string(printed), 0
}
