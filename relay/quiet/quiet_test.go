package quiet_test

import (
	"strings"
	"testing"
	"time"

	"ringpost/relay/quiet"
)

// hours parses quiet hours, several of them with ; between them.
func hours(t testing.TB, text string) (all quiet.Hours) {
	t.Helper()
	for one := range strings.SplitSeq(text, ";") {
		h, err := quiet.Parse(one)
		if err != nil {
			t.Fatalf("Parse(%q) = %v", one, err)
		}
		all = all.And(h)
	}
	return all
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestQuietHoursLastUntilTheClockOnTheWallShowsTheirEnd(t *testing.T) {
	for _, test := range []struct{ name, hours, at, want string }{
		{"in the evening", "21:00-08:00 Europe/Berlin", "2026-01-10T22:30:00+01:00", "2026-01-11T08:00:00+01:00"},
		{"after midnight", "21:00-08:00 Europe/Berlin", "2026-01-11T02:00:00+01:00", "2026-01-11T08:00:00+01:00"},
		{"as they begin", "21:00-08:00 Europe/Berlin", "2026-01-10T21:00:00+01:00", "2026-01-11T08:00:00+01:00"},
		{"as they end", "21:00-08:00 Europe/Berlin", "2026-01-11T08:00:00+01:00", "2026-01-11T08:00:00+01:00"},
		{"by day", "21:00-08:00 Europe/Berlin", "2026-01-11T12:00:00+01:00", "2026-01-11T12:00:00+01:00"},
		{"within a day", "12:00-13:30 UTC", "2026-01-11T12:59:59Z", "2026-01-11T13:30:00Z"},
		{"until midnight", "18:00-00:00 UTC", "2026-12-31T23:00:00Z", "2027-01-01T00:00:00Z"},
		{"in summer", "21:00-08:00 Europe/Berlin", "2026-07-10T21:30:00Z", "2026-07-11T06:00:00Z"},
		{"in the night without an hour", "21:00-08:00 Europe/Berlin", "2026-03-28T23:00:00+01:00", "2026-03-29T08:00:00+02:00"},
		{"in the night with one more", "21:00-08:00 Europe/Berlin", "2026-10-24T23:00:00+02:00", "2026-10-25T08:00:00+01:00"},
		{"an end that the clock jumps over", "21:00-02:30 Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"an end that the clock shows twice, at first", "21:00-02:30 Europe/Berlin", "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+01:00"},
		{"an end that the clock shows twice, then", "21:00-02:30 Europe/Berlin", "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"},
		{"a beginning that the clock shows twice", "02:30-05:00 Europe/Berlin", "2026-10-25T02:40:00+02:00", "2026-10-25T05:00:00+01:00"},
		{"a beginning that the clock jumps over", "02:30-05:00 Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-29T05:00:00+02:00"},
		{"before a beginning that the clock jumps over", "02:30-05:00 Europe/Berlin", "2026-03-29T01:59:00+01:00", "2026-03-29T01:59:00+01:00"},
		{"all within what the clock jumps over", "02:15-02:45 Europe/Berlin", "2026-03-29T03:00:00+02:00", "2026-03-29T03:00:00+02:00"},
		{"a midnight that is not there", "22:00-00:30 America/Santiago", "2026-09-05T23:30:00-04:00", "2026-09-06T01:00:00-03:00"},
		{"half an hour set back", "20:00-01:45 Australia/Lord_Howe", "2026-04-05T01:35:00+11:00", "2026-04-05T01:45:00+10:30"},
		{"two, one after the other", "20:00-22:00 UTC; 22:00-06:00 UTC", "2026-01-10T21:00:00Z", "2026-01-11T06:00:00Z"},
		{"two zones", "21:00-08:00 Europe/Berlin; 21:00-08:00 America/New_York", "2026-01-10T20:00:00Z", "2026-01-11T13:00:00Z"},
		{"none", "", "2026-01-10T20:00:00Z", "2026-01-10T20:00:00Z"},
	} {
		got := hours(t, test.hours).Until(at(t, test.at))
		if !got.Equal(at(t, test.want)) {
			t.Errorf("%s: Until(%s) of %s = %s, want %s", test.name, test.at, test.hours, got.Format(time.RFC3339), test.want)
		}
	}
}

func TestTheEndIsToldByTheClockOfTheHours(t *testing.T) {
	end := hours(t, "21:00-08:00 Asia/Tokyo").Until(at(t, "2026-01-10T15:00:00Z"))
	if got := end.Format("15:04 ") + end.Location().String(); got != "08:00 Asia/Tokyo" {
		t.Errorf("Until() is at %q, want 08:00 Asia/Tokyo", got)
	}
}

// TestEveryMinuteOfAYearIsQuietByTheClock compares with what the clock shows, in
// zones that set it in different ways.
func TestEveryMinuteOfAYearIsQuietByTheClock(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "Asia/Kathmandu", "Africa/Casablanca"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, span := range [][2]int{{21 * 60, 8 * 60}, {0, 90}, {150, 170}, {23*60 + 30, 1}, {9 * 60, 17 * 60}} {
			h := hours(t, time.Date(0, 1, 1, 0, span[0], 0, 0, time.UTC).Format("15:04")+"-"+
				time.Date(0, 1, 1, 0, span[1], 0, 0, time.UTC).Format("15:04")+" "+zone)
			for when := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); when.Year() == 2026; when = when.Add(7 * time.Minute) {
				local := when.In(loc)
				n := local.Hour()*60 + local.Minute()
				shown := n >= span[0] && n < span[1]
				if span[1] < span[0] {
					shown = n >= span[0] || n < span[1]
				}
				end := h.Until(when)
				if held := end.After(when); held != shown && !set(when, loc) {
					t.Fatalf("%s at %s: held %v, want %v", h, local, held, shown)
				}
				if end.After(when) && h.Until(end).After(end) || end.Sub(when) > 25*time.Hour {
					t.Fatalf("%s at %s: they end %s, which is no end", h, local, end)
				}
			}
		}
	}
}

// set reports whether the clock is set within a day: the tests above are about
// what is quiet then.
func set(when time.Time, loc *time.Location) bool {
	_, before := when.Add(-12 * time.Hour).In(loc).Zone()
	_, after := when.Add(12 * time.Hour).In(loc).Zone()
	return before != after
}

func TestWhatIsNoQuietHoursSaysWhatWouldBe(t *testing.T) {
	for text, want := range map[string]string{
		"21:00":                            "want hours and whose they are",
		"21-8 Europe/Berlin":               "want hours and whose they are",
		"9:00-10:00 Europe/Berlin":         "want hours and whose they are",
		"21:00-24:00 Europe/Berlin":        "want hours and whose they are",
		"21:00-08:61 Europe/Berlin":        "want hours and whose they are",
		"21:00-08:00":                      "want the time zone too",
		"21:00-08:00 CEST+1":               `no time zone has the name "CEST+1"`,
		"21:00-08:00 Europe/Berln":         `no time zone has the name "Europe/Berln"`,
		"21:00-08:00 Local":                `no time zone has the name "Local"`,
		"21:00-08:00 ../../etc/passwd":     "no time zone has the name",
		"21:00-08:00 Europe/./Berlin":      "no time zone has the name",
		"08:00-08:00 Europe/Berlin":        "they begin when they end",
		"21:00-08:00 UTC; 12:00-13:00 UTC": "no time zone has the name",
	} {
		if _, err := quiet.Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q", text, err, want)
		}
	}
	if h, err := quiet.Parse("  21:00-08:00   Europe/Berlin "); h != "21:00-08:00 Europe/Berlin" || err != nil {
		t.Errorf("Parse() = %q, %v, want them in their one form", h, err)
	}
}

func TestHoursThatLeaveNothingOfTheDayAreFound(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "00:00-23:59 UTC": false,
		"08:00-20:00 Europe/Berlin; 20:00-08:00 Europe/Berlin": true,
		"08:00-20:00 Europe/Berlin; 19:00-07:00 Europe/London": true, // in both seasons
		"08:00-20:00 Europe/Berlin; 20:00-07:59 Europe/Berlin": false,
		"08:00-20:00 Europe/Berlin; 12:00-00:00 Asia/Tokyo":    false,
	} {
		if got := hours(t, text).Endless(); got != want {
			t.Errorf("Endless() of %q = %v, want %v", text, got, want)
		}
	}
}

func TestWhatAStoreSaysOfAnotherVersionHoldsNothingBack(t *testing.T) {
	when := at(t, "2026-01-10T22:00:00Z")
	if got := quiet.Hours("on sundays").Until(when); !got.Equal(when) {
		t.Errorf("Until() = %s, want the time itself", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"21:00-08:00 Europe/Berlin", "02:30-02:31 Australia/Lord_Howe", "21:00-08:00", "-", "00:00-23:59 UTC"} {
		f.Add(seed, int64(1_774_746_000))
	}
	f.Fuzz(func(t *testing.T, text string, unix int64) {
		h, err := quiet.Parse(text)
		if err != nil {
			return
		}
		if again, err := quiet.Parse(string(h)); again != h || err != nil {
			t.Fatalf("Parse(%q) = %q, %v, want the same again", h, again, err)
		}
		when := time.Unix(unix%(1<<33), 0)
		if end := h.Until(when); end.Before(when) || end.Sub(when) > 50*time.Hour {
			t.Fatalf("%s: Until(%s) = %s", h, when, end)
		}
	})
}
