package store_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ringpost/relay/store"
)

func TestACrashLosesNothingThatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ringpost.db")
	s := openFile(t, file)
	first := inState(t, s, store.Sending)
	delivered := inState(t, s, store.Delivered)
	var adding sync.WaitGroup
	for i := range 64 {
		adding.Go(func() { add(t, s, fmt.Sprint("RE", i)) })
	}
	adding.Wait()

	// What is on disk now is what a machine that dies now leaves.
	left := filepath.Join(dir, "left.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(left+suffix, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	after := openFile(t, left)
	check(t, "callbacks to route", len(unrouted(t, after, 100)), 64)
	check(t, "what was delivered", *read(t, after, delivered.ID), *read(t, s, delivered.ID))
	check(t, "what was being sent", read(t, after, first.ID).State, store.Sending)
	if channels, err := after.Recover(t.Context(), nil); len(channels) != 1 || err != nil {
		t.Errorf("Recover() = %v, %v, want one channel, nil", channels, err)
	}
	again := claim(t, after, "email", 9)
	checkIDs(t, "Claim()", idsOf(again), first.ID)
	check(t, "unsure", again[0].Unsure, true)
	check(t, "created at, of which the Message-ID is made", again[0].CreatedAt.UnixMicro(), first.CreatedAt.UnixMicro())
	finish(t, after, again[0], store.Outcome{StartedAt: time.Now(), State: store.Delivered})
}

func TestAStoreIsKeptFromOneOpenToTheNext(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	s := openFile(t, file)
	d := inState(t, s, store.Retrying)
	want := *read(t, s, d.ID)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file + "-wal"); err == nil {
		t.Error("Close() left a -wal file, want everything in the database")
	}
	check(t, "delivery", *read(t, openFile(t, file), d.ID), want)
}

func TestOnlyItsOwnerMayReadTheStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	add(t, openFile(t, file), "RE1")
	for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
		info, err := os.Stat(file + suffix)
		if err != nil {
			t.Fatal(err)
		}
		check(t, "mode of ringpost.db"+suffix, info.Mode().Perm(), 0o600)
	}
}

func TestAStoreMayHaveAnyFileName(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"my store.db", "what?.db", "100%.db", "%41.db", "a#b.db", "a&mode=memory.db", ":memory:", "ключ.db", "./x.db"} {
		s := openFile(t, name)
		add(t, s, "RE1")
		if err := s.Close(); err != nil {
			t.Errorf("Close(%q) = %v", name, err)
		}
		info, err := os.Stat(name)
		if err != nil || info.Size() == 0 {
			t.Errorf("file %q = %v, %v, want the database in it", name, info, err)
		}
		check(t, "callbacks after opening "+name+" again", len(unrouted(t, openFile(t, name), 9)), 1)
	}
}

func TestASecondOpenOfAStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ringpost.db")
	s := openFile(t, file)
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(file, link); err != nil {
		t.Skipf("this file system has no symbolic links: %v", err)
	}
	t.Chdir(dir)
	for _, name := range []string{file, "ringpost.db", "./ringpost.db", link} {
		refuseToOpen(t, "sqlite:"+name, "in use by another process")
	}
	add(t, s, "RE1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(t, "callbacks, once the first is closed", len(unrouted(t, openFile(t, link), 9)), 1)
}

// refuseToOpen opens location, which must fail and say why.
func refuseToOpen(t *testing.T, location, why string) {
	t.Helper()
	s, err := store.Open(t.Context(), location, slog.New(slog.DiscardHandler))
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("Open(%q) = %v, want an error that says %q", location, err, why)
	}
}

func TestOpenRefusesAnotherKindOfLocation(t *testing.T) {
	for _, location := range []string{"", "sqlite:", "ringpost.db", "mysql://kim:secret@example.com/ringpost"} {
		refuseToOpen(t, location, "want a location such as sqlite:ringpost.db")
		if _, err := store.Open(t.Context(), location, slog.New(slog.DiscardHandler)); strings.Contains(fmt.Sprint(err), "secret") {
			t.Errorf("Open(%q) = %v, want no password in it", location, err)
		}
	}
}

func TestADamagedFileIsLeftAsItIs(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "whole.db")
	s := openFile(t, whole)
	add(t, s, "RE1")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	database, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	broken := bytes.Clone(database)
	copy(broken[100:4096], bytes.Repeat([]byte{0xa5}, 3996)) // the schema's page, behind the header
	for name, content := range map[string][]byte{
		"text":   []byte("[server]\nlisten = \"127.0.0.1:8080\"\n" + strings.Repeat("# no database\n", 100)),
		"zeros":  make([]byte, 8192),
		"broken": broken,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "ringpost.db")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			refuseToOpen(t, "sqlite:"+file, "damaged or no SQLite database")
			refuseToOpen(t, "sqlite:"+file, file)
			after, err := os.ReadFile(file)
			if err != nil || !bytes.Equal(after, content) {
				t.Errorf("the file was changed (%v), want it as it was", err)
			}
		})
	}
}

func TestAMissingFolderIsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "missing", "ringpost.db")
	refuseToOpen(t, "sqlite:"+file, "the file and its folder must be writable")
	refuseToOpen(t, "sqlite:"+file, file)
}

func TestAReopenedStoreRoutesWhatWasLeftInOrder(t *testing.T) {
	for routed := range 10 {
		for removed := range routed + 1 {
			file := filepath.Join(t.TempDir(), "ringpost.db")
			s := openFile(t, file)
			now := time.Now()
			want := []string{}
			for i := range 9 {
				cb := aCallback(fmt.Sprint("RE", i))
				if i < removed {
					cb.ReceivedAt = now.Add(-time.Hour)
				}
				if _, err := s.Add(t.Context(), cb); err != nil {
					t.Fatal(err)
				}
				if i >= routed {
					want = append(want, cb.RecordingSid)
				}
			}
			plan := func(store.Stored) []*store.Delivery { return nil }
			if _, err := s.Route(t.Context(), routed, threeDays, 0, plan); err != nil {
				t.Fatal(err)
			}
			remove(t, s, now.Add(-time.Minute), int64(min(removed, 9)))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			left, err := openFile(t, file).Route(t.Context(), 100, threeDays, 0, plan)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, r := range left {
				got = append(got, r.Callback.RecordingSid)
			}
			check(t, fmt.Sprintf("routed after %d were, and %d removed", routed, removed), fmt.Sprint(got), fmt.Sprint(want))
		}
	}
}
