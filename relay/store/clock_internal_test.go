package store

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestTheClockTellsTheDatabasesTime is run beside databases that are hours off.
func TestTheClockTellsTheDatabasesTime(t *testing.T) {
	for _, off := range []time.Duration{-5 * time.Hour, -time.Millisecond, 0, 5 * time.Hour, 40 * 365 * 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c := new(clock)
			here := time.Now()
			there := here.Add(off)
			c.set(here, there)
			time.Sleep(90 * time.Minute)
			if got, want := c.now(), there.Add(90*time.Minute); !got.Equal(want) {
				t.Errorf("now() %v beside the database = %v, want %v", off, got, want)
			}
			if got, want := c.at(here.Add(-time.Minute)), there.Add(-time.Minute); !got.Equal(want) {
				t.Errorf("at() of a moment before the look, %v beside the database = %v, want %v", off, got, want)
			}
			if got := c.at(time.Time{}); !got.IsZero() {
				t.Errorf("at() of no time = %v, want no time", got)
			}
		})
	}
}

// TestAMovedWallClockMovesNoDeadline looks at what time.Sub goes by: where both
// times have a monotonic reading, it takes no notice of the wall clock.
func TestAMovedWallClockMovesNoDeadline(t *testing.T) {
	c := new(clock)
	here := time.Now()
	there := here.Add(-3 * time.Hour)
	c.set(here, there)
	if got := c.now().Sub(there.Round(0)); got < 0 || got > time.Minute {
		t.Errorf("now() is %v after the look, want the time since", got)
	}
	if !hasMonotonic(c.last.Load().here) {
		t.Error("the look has no monotonic reading, want one: a clock that is set would move deadlines")
	}
	if hasMonotonic(c.now()) {
		t.Error("the database's time has this machine's monotonic reading, want none")
	}
}

// hasMonotonic reports whether t has a monotonic reading.
func hasMonotonic(t time.Time) bool { return t != t.Round(0) }

func TestALaterLookPutsTheClockRight(t *testing.T) {
	c := new(clock)
	here := time.Now()
	c.set(here, here.Add(-time.Hour))
	c.set(here, here.Add(time.Second))
	if got, want := c.at(here), here.Add(time.Second); !got.Equal(want) {
		t.Errorf("at() = %v, want what the later look says: %v", got, want)
	}
}
