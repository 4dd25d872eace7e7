package render

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"strings"
	"sync"
	"text/template"
	"time"
	_ "time/tzdata" // a container may have no time zones of its own
)

// funcs are what templates may call beside the built-in functions, and contact.
var funcs = template.FuncMap{
	"duration": duration,
	"mp3":      MP3,
	"wav":      WAV,
	"time":     formatTime,
	"default":  orDefault,
	"upper":    strings.ToUpper,
	"lower":    strings.ToLower,
	"join":     join,
}

// Contacts are the names of those who have a phone, by its number.
type Contacts map[string]string

// funcs returns what templates may call that know those contacts.
func (c Contacts) funcs() template.FuncMap {
	known := maps.Clone(funcs)
	known["contact"] = func(phone string) string { return c[strings.TrimSpace(phone)] }
	return known
}

// duration turns seconds into 1m34s.
func duration(seconds int) string { return (time.Duration(seconds) * time.Second).String() }

// MP3 returns the URL of a recording as MP3, which is a tenth of its default, WAV,
// where it comes in several formats.
func MP3(recording string) string { return withFormat(recording, ".mp3") }

// WAV returns the URL of a recording as WAV, where it comes in several formats.
func WAV(recording string) string { return withFormat(recording, ".wav") }

// withFormat returns the URL of a recording in another format. Only the resource
// …/Recordings/ID of SignalWire and Twilio comes in several, told by its suffix.
// A URL of any other form is one file of some store, often signed for its path:
// it stays as it is.
func withFormat(recording, suffix string) string {
	end := strings.IndexAny(recording, "?#")
	if end < 0 {
		end = len(recording)
	}
	file, rest := recording[:end], recording[end:]
	dir, id := path.Split(file)
	if id == "" || !strings.HasSuffix(dir, "/Recordings/") {
		return recording
	}
	switch ext := path.Ext(id); ext {
	case ".wav", ".mp3", ".json":
		id = strings.TrimSuffix(id, ext)
	}
	return dir + id + suffix + rest
}

// formatTime writes a time in Go's layout, in UTC or in the zone of that name:
// {{time .ReceivedAt "15:04" "Europe/Berlin"}}.
func formatTime(t time.Time, layout string, zone ...string) (string, error) {
	t = t.UTC()
	if len(zone) > 0 && zone[0] != "" {
		loc, err := location(zone[0])
		if err != nil {
			return "", err
		}
		t = t.In(loc)
	}
	return t.Format(layout), nil
}

// zones are the time zones in use, *time.Location by name: reading one takes
// longer than rendering an SMS.
var zones sync.Map

func location(name string) (*time.Location, error) {
	if loc, ok := zones.Load(name); ok {
		return loc.(*time.Location), nil
	}
	loc, err := time.LoadLocation(name)
	if err != nil || path.Clean(name) != name { // a/./b is the zone a/b under one of endless names
		return nil, errors.New(`no such time zone: want a name such as "Europe/Berlin"`)
	}
	zones.Store(name, loc)
	return loc, nil
}

// orDefault returns value, or fallback where value is empty:
// {{default "unknown" .CallSid}} or {{.CallSid | default "unknown"}}.
func orDefault(fallback, value any) any {
	if truth, _ := template.IsTrue(value); truth {
		return value
	}
	return fallback
}

// join puts the values together with sep between them; empty ones are left out.
func join(sep string, values ...any) string {
	var parts []string
	for _, v := range values {
		if s := fmt.Sprint(v); s != "" {
			parts = append(parts, s)
		}
	}
	return strings.Join(parts, sep)
}
