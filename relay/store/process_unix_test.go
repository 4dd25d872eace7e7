//go:build unix

package store_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringpost/relay/store"
)

// processes are what the test binary does when it is started once more, with
// the store's file: what happens to a process cannot be tried in this one.
var processes = map[string]func(ctx context.Context, file string) error{
	"add":  addUntilKilled,
	"open": openOnly,
	"fill": fillTheDisk,
}

func TestMain(m *testing.M) {
	if run := processes[os.Getenv("STORE_TEST_PROCESS")]; run != nil {
		if err := run(context.Background(), os.Args[1]); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// process returns the command that does what that name stands for.
func process(t *testing.T, name, file string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, file)
	cmd.Env = append(os.Environ(), "STORE_TEST_PROCESS="+name)
	return cmd
}

// addUntilKilled stores callbacks from many goroutines, and says of each that it
// is stored.
func addUntilKilled(ctx context.Context, file string) error {
	s, err := store.Open(ctx, "sqlite:"+file, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	failed := make(chan error)
	for g := range 16 {
		go func() {
			for i := 0; ; i++ {
				cb := aCallback(fmt.Sprintf("RE%d-%d", g, i))
				if _, err := s.Add(ctx, cb); err != nil {
					failed <- err
				}
				fmt.Println("stored", cb.RecordingSid)
			}
		}()
	}
	return <-failed
}

func TestAKilledProcessLosesNothingThatWasAcknowledged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	adder := process(t, "add", file)
	out, err := adder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := adder.Start(); err != nil {
		t.Fatal(err)
	}
	var acknowledged []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		recording, ok := strings.CutPrefix(lines.Text(), "stored ")
		if !ok {
			t.Fatalf("the process says %q, want what it stored", lines.Text())
		}
		acknowledged = append(acknowledged, recording)
		if len(acknowledged) == 100 {
			refuseToOpen(t, "sqlite:"+file, "in use by another process")
		}
		if len(acknowledged) == 1000 {
			if err := adder.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	adder.Wait()

	stored := map[string]bool{}
	for _, cb := range unrouted(t, openFile(t, file), 1_000_000) {
		stored[cb.RecordingSid] = true
	}
	if len(acknowledged) < 1000 {
		t.Errorf("the process acknowledged %d callbacks, want 1000 or more", len(acknowledged))
	}
	for _, recording := range acknowledged {
		if !stored[recording] {
			t.Errorf("callback %s was acknowledged and is lost", recording)
		}
	}
}

// openOnly opens and closes the store as somebody who may not write everywhere.
func openOnly(ctx context.Context, file string) error {
	if os.Geteuid() == 0 {
		if err := syscall.Setuid(65534); err != nil {
			return err
		}
	}
	s, err := store.Open(ctx, "sqlite:"+file, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	return s.Close()
}

func TestAFolderThatCannotBeWrittenIsNamed(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o755) })
	file := filepath.Join(dir, "ringpost.db")
	out, err := process(t, "open", file).CombinedOutput()
	for _, want := range []string{file, "the file and its folder must be writable"} {
		if err == nil || !strings.Contains(string(out), want) {
			t.Errorf("Open() in a folder that cannot be written: %v, says %q, want %q in it", err, out, want)
		}
	}
}

// fillTheDisk tries a store on a disk that is full, which is played by the limit
// for the size of a file, and tells what it found wrong.
func fillTheDisk(ctx context.Context, file string) error {
	signal.Ignore(syscall.SIGXFSZ)
	s, err := store.Open(ctx, "sqlite:"+file, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	free := limit.Cur
	limit.Cur = 1
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	for range 2 {
		if stored, err := s.Add(ctx, aCallback("full")); stored || err == nil {
			return fmt.Errorf("Add() on a full disk = %v, %v, want false and an error", stored, err)
		}
		if err := s.Healthy(ctx); err == nil {
			return fmt.Errorf("Healthy() on a full disk = nil, want an error")
		}
	}
	if found, err := s.Callbacks(ctx, store.Filter{Limit: 9}); len(found) != 0 || err != nil {
		return fmt.Errorf("Callbacks() on a full disk = %v, %v, want none, nil", found, err)
	}
	limit.Cur = free
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	if err := s.Healthy(ctx); err != nil {
		return fmt.Errorf("Healthy() once there is room = %w, want nil", err)
	}
	if stored, err := s.Add(ctx, aCallback("full")); !stored || err != nil {
		return fmt.Errorf("Add() once there is room = %v, %w, want true, nil", stored, err)
	}
	return s.Close()
}

func TestAFullDiskIsAnErrorAndNoHealthUntilThereIsRoom(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	if out, err := process(t, "fill", file).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	check(t, "callbacks afterwards", len(unrouted(t, openFile(t, file), 9)), 1)
}
