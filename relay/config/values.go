package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// Secret is a value that no one may see: it prints as [redacted].
type Secret string

const redacted = "[redacted]"

func (Secret) String() string               { return redacted }
func (Secret) GoString() string             { return redacted }
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }

// ParseDuration reads what [time.ParseDuration] does, with days before the
// rest: 90s, 5m, 3d, 1d12h. A day has 24 hours. A sign is refused.
func ParseDuration(s string) (time.Duration, error) {
	fault := errors.New("want a duration like 90s, 5m, 12h or 3d")
	if strings.ContainsAny(s, "+-") {
		return 0, fault
	}
	var days time.Duration
	if number, rest, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil {
			return 0, fault
		}
		if days = time.Duration(n) * day; rest == "" {
			return days, nil
		}
		s = rest
	}
	d, err := time.ParseDuration(s)
	if err != nil || d > math.MaxInt64-days {
		return 0, fault
	}
	return days + d, nil
}

// Period is a duration, or 0 for what is turned off.
type Period time.Duration

// parsePeriod reads a duration, or off.
func parsePeriod(s string) (Period, error) {
	if s == "off" {
		return 0, nil
	}
	d, err := ParseDuration(s)
	if err != nil || d == 0 {
		return 0, errors.New(`want a duration like 90s, 5m, 12h or 3d, or "off"`)
	}
	return Period(d), nil
}

// Rate is how often something may be done, a second; 0 is as often as one likes.
type Rate float64

// String returns the rate as it is written in the file, in the shortest unit in
// which it is a whole number; empty where there is none.
func (r Rate) String() string {
	for _, unit := range []struct {
		name    string
		seconds float64
	}{{"s", 1}, {"m", 60}, {"h", 3600}} {
		n := math.Round(float64(r) * unit.seconds)
		if n > 0 && math.Abs(n-float64(r)*unit.seconds) < 1e-6 {
			return fmt.Sprintf("%.0f/%s", n, unit.name)
		}
	}
	return ""
}

// Every returns the time from once to the next; 0 for none.
func (r Rate) Every() time.Duration {
	if r == 0 {
		return 0
	}
	return time.Duration(float64(time.Second) / float64(r))
}

// parseRate reads 4/s, 100/m or 1000/h.
func parseRate(s string) (Rate, error) {
	count, unit, _ := strings.Cut(s, "/")
	n, err := strconv.ParseUint(count, 10, 20)
	seconds := map[string]Rate{"s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || n == 0 || seconds == 0 {
		return 0, errors.New("want a rate like 4/s, 100/m or 1000/h")
	}
	return Rate(n) / seconds, nil
}

// parseLevel reads the level of the log.
func parseLevel(s string) (slog.Level, error) {
	var level slog.Level
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, s) {
		return 0, errors.New("want debug, info, warn or error")
	}
	return level, level.UnmarshalText([]byte(s))
}

// parsers read the types that are strings in the file.
var parsers = map[reflect.Type]func(string) (reflect.Value, error){
	reflect.TypeFor[time.Duration](): parser(ParseDuration),
	reflect.TypeFor[Period]():        parser(parsePeriod),
	reflect.TypeFor[Rate]():          parser(parseRate),
	reflect.TypeFor[slog.Level]():    parser(parseLevel),
}

func parser[T any](parse func(string) (T, error)) func(string) (reflect.Value, error) {
	return func(s string) (reflect.Value, error) {
		v, err := parse(s)
		return reflect.ValueOf(v), err
	}
}

// plain writes a string, number or boolean as a form field would have it.
func plain(v any) (s string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case int64, bool:
		return fmt.Sprint(v), true
	}
	return "", false
}
