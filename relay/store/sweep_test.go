package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"ringpost/relay/store"
)

// begin begins a sweep that must be there to be begun.
func begin(t *testing.T, s *store.Store, rest time.Duration) *store.Sweep {
	t.Helper()
	sweep, err := s.BeginSweep(t.Context(), "recordings", rest)
	if err != nil || sweep == nil {
		t.Fatalf("BeginSweep() = %v, %v; want a sweep", sweep, err)
	}
	return sweep
}

// refused checks that there is no sweep to begin.
func refused(t *testing.T, s *store.Store, rest time.Duration, why string) {
	t.Helper()
	if sweep, err := s.BeginSweep(t.Context(), "recordings", rest); err != nil || sweep != nil {
		t.Errorf("%s: BeginSweep() = %+v, %v; want nil", why, sweep, err)
	}
}

func TestASweepBeginsWhereTheLastOneEnded(t *testing.T) {
	promise(t, func(t *testing.T, s *store.Store) {
		first := begin(t, s, time.Hour)
		if !first.Began.IsZero() || !first.Seen.IsZero() {
			t.Errorf("the first sweep is %+v, want one without times", first)
		}
		first.Began, first.Seen = time.UnixMicro(1_000_000).UTC(), time.UnixMicro(2_000_000).UTC()
		if err := s.EndSweep(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		refused(t, s, time.Hour, "just done")
		if other, err := s.BeginSweep(t.Context(), "missing", time.Hour); err != nil || other == nil || !other.Seen.IsZero() {
			t.Errorf("BeginSweep() of another name = %+v, %v; want a first one", other, err)
		}
		second := begin(t, s, 0)
		if !second.Began.Equal(first.Began) || !second.Seen.Equal(first.Seen) {
			t.Errorf("the second sweep is %+v, want it to begin as %+v ended", second, first)
		}
		second.Seen = time.UnixMicro(9_000_000)
		if err := s.LeaveSweep(t.Context(), second); err != nil {
			t.Fatal(err)
		}
		if third := begin(t, s, 0); !third.Seen.Equal(first.Seen) {
			t.Errorf("after one that was left, a sweep begins at %v, want %v", third.Seen, first.Seen)
		}
		if err := s.AgeSweeps(t.Context(), 2*time.Hour); err != nil {
			t.Fatal(err)
		}
		begin(t, s, time.Hour) // it was done two hours ago
	})
}

func TestASweepIsOneNodesUntilItIsGone(t *testing.T) {
	both := nodes(t, 2)
	sweep := begin(t, both[0], 0)
	refused(t, both[1], 0, "another node's")
	if mine, err := both[0].RenewSweep(t.Context(), sweep); err != nil || !mine {
		t.Errorf("RenewSweep() = %v, %v; want true", mine, err)
	}
	if err := both[0].AgeSweeps(t.Context(), store.SweepLease+time.Second); err != nil {
		t.Fatal(err)
	}
	begin(t, both[1], 0)
	if mine, err := both[0].RenewSweep(t.Context(), sweep); err != nil || mine {
		t.Errorf("RenewSweep() of what another node took over = %v, %v; want false", mine, err)
	}
	sweep.Seen = time.Now()
	for _, give := range []func() error{
		func() error { return both[0].EndSweep(t.Context(), sweep) },
		func() error { return both[0].LeaveSweep(t.Context(), sweep) },
	} {
		if err := give(); err != nil {
			t.Fatal(err)
		}
		refused(t, both[0], 0, "the other node's, whatever the first one says of it")
	}
}

func TestASweepOfAProcessThatEndedIsFree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ringpost.db")
	s := openFile(t, file)
	begin(t, s, time.Hour)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	begin(t, openFile(t, file), time.Hour) // it was not given back, and nobody else can have it
}
