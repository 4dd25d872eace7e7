// Package quiet knows quiet hours: times of every day, by the clock of some
// place, in which people are not to be disturbed.
//
// It promises that what is quiet by the clock on the wall is quiet here. Where
// the clock is set back across their end, quiet hours last until it has shown
// that end for the last time; where it is set forward across it, until the jump.
package quiet

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // a container may have no time zones of its own
)

// Hours are the quiet hours that hold for somebody: such as Parse reads, or
// several of them. Empty there are none. They may be compared, and kept as text.
type Hours string

// and stands between hours that all hold.
const and = "; "

// example is what errors show.
const example = `"21:00-08:00 Europe/Berlin"`

// window is a time of every day.
type window struct {
	from, until int // minutes since midnight; until is the next day's unless it is later
	zone        *time.Location
}

// Parse reads quiet hours as people write them, 21:00-08:00 Europe/Berlin, and
// returns them in the one form they have. Nothing is none.
func Parse(text string) (Hours, error) {
	if strings.TrimSpace(text) == "" {
		return "", nil
	}
	w, err := parse(text)
	if err != nil {
		return "", err
	}
	return Hours(fmt.Sprintf("%s-%s %s", clock(w.from), clock(w.until), w.zone)), nil
}

func parse(text string) (w window, err error) {
	span, zone, _ := strings.Cut(strings.TrimSpace(text), " ")
	from, until, ok := strings.Cut(span, "-")
	var ok1, ok2 bool
	w.from, ok1 = minutes(from)
	w.until, ok2 = minutes(until)
	switch zone = strings.TrimSpace(zone); {
	case !ok || !ok1 || !ok2:
		return w, errors.New("want hours and whose they are, such as " + example)
	case w.from == w.until:
		return w, errors.New("they begin when they end: want hours that leave some of the day, such as " + example)
	case zone == "":
		return w, errors.New("want the time zone too, such as " + example)
	}
	w.zone, err = time.LoadLocation(zone)
	// Local is another zone on every machine; a/./b is the zone a/b.
	if err != nil || strings.EqualFold(zone, "local") || path.Clean(zone) != zone {
		return w, fmt.Errorf("no time zone has the name %.40q: want one such as Europe/Berlin", zone)
	}
	return w, nil
}

// minutes reads a time of day, hours and minutes in two digits each.
func minutes(text string) (n int, ok bool) {
	hour, minute, _ := strings.Cut(text, ":")
	h, err1 := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	return int(60*h + m), err1 == nil && err2 == nil && len(hour) == 2 && len(minute) == 2 && h < 24 && m < 60
}

func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// And returns the hours that are quiet by one or the other.
func (h Hours) And(more Hours) Hours {
	switch {
	case h == "" || h == more:
		return more
	case more == "":
		return h
	}
	return h + and + more
}

// maxSteps bounds how often the end of one window is within another.
const maxSteps = 32

// Until returns when the quiet hours that t is in end, by the clock that they go
// by, and t itself where it is in none.
func (h Hours) Until(t time.Time) time.Time {
	if h == "" {
		return t
	}
	return until(h.windows(), t)
}

func until(windows []window, t time.Time) time.Time {
	for range maxSteps {
		before := t
		for _, w := range windows {
			if end := w.end(t); end.After(t) {
				t = end
			}
		}
		if t.Equal(before) {
			break
		}
	}
	return t
}

// Endless reports whether the hours leave no time of the day, in winter or in
// summer: nobody would ever be told anything.
func (h Hours) Endless() bool {
	windows := h.windows()
	if len(windows) < 2 {
		return false // one alone always leaves some
	}
	for _, month := range []time.Month{time.January, time.July} {
		day := time.Date(2026, month, 15, 0, 0, 0, 0, time.UTC)
		if until(windows, day).Sub(day) > 48*time.Hour {
			return true
		}
	}
	return false
}

// parsed are the windows of the hours in use, []window by Hours: reading a zone
// takes longer than rendering a message.
var parsed sync.Map

// windows returns the windows of the hours. What is none is left out: a store may
// have been written by another version.
func (h Hours) windows() []window {
	if h == "" {
		return nil
	}
	if known, ok := parsed.Load(h); ok {
		return known.([]window)
	}
	var all []window
	for one := range strings.SplitSeq(string(h), and) {
		if w, err := parse(one); err == nil {
			all = append(all, w)
		}
	}
	parsed.Store(h, all)
	return all
}

// end returns when the window that t is in ends, or the zero time where t is
// outside of it.
func (w window) end(t time.Time) time.Time {
	local := t.In(w.zone)
	for day := -1; day <= 0; day++ { // the one that began yesterday may go on
		last := day
		if w.until < w.from {
			last++
		}
		begin, end := w.at(local, day, w.from, false), w.at(local, last, w.until, true)
		if !t.Before(begin) && t.Before(end) {
			return end
		}
	}
	return time.Time{}
}

// at returns when the clock shows so many minutes after midnight, that many days
// after the day of t: for the first time or, where it is set back, for the last.
// Where it jumps over them it is the moment of the jump.
func (w window) at(t time.Time, days, minutes int, last bool) time.Time {
	year, month, day := t.Date()
	shown := time.Date(year, month, day+days, 0, minutes, 0, 0, time.UTC)
	// By the offsets of the day before and of the day after: both are right where
	// the clock shows it twice, and none where it never does.
	var offsets [2]time.Duration
	for i, around := range [2]time.Duration{-24 * time.Hour, 24 * time.Hour} {
		_, seconds := shown.Add(around).In(w.zone).Zone()
		offsets[i] = time.Duration(seconds) * time.Second
	}
	var right []time.Time
	for _, offset := range offsets {
		at := shown.Add(-offset).In(w.zone)
		if _, seconds := at.Zone(); time.Duration(seconds)*time.Second == offset {
			right = append(right, at)
		}
	}
	switch {
	case len(right) == 0:
		jump, _ := shown.Add(-offsets[0]).In(w.zone).ZoneBounds()
		return jump
	case last:
		return right[len(right)-1]
	}
	return right[0]
}
