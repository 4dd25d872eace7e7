package peers

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Recording is a recording that a SignalWire API lists and describes.
type Recording struct {
	Sid        string
	Call       string
	Conference string // in place of Call
	Status     string // e.g. in-progress, completed, absent, failed
	Source     string // e.g. DialVerb
	Length     time.Duration
	Began      time.Time // by the API's clock
}

// listing is what an API lists.
type listing struct {
	mu    sync.Mutex
	bySid map[string]Recording
}

// List makes the API list and describe recordings, or what has become of them.
func (s *SignalWire) List(recordings ...Recording) {
	s.listed.mu.Lock()
	defer s.listed.mu.Unlock()
	if s.listed.bySid == nil {
		s.listed.bySid = make(map[string]Recording)
	}
	for _, r := range recordings {
		s.listed.bySid[r.Sid] = r
	}
}

// newestFirst returns what is listed.
func (l *listing) newestFirst() []Recording {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.bySid), func(a, b Recording) int {
		return cmp.Or(b.Began.Compare(a.Began), cmp.Compare(a.Sid, b.Sid))
	})
}

// listRecordings answers with one page. As the API, it filters by days.
func (s *SignalWire) listRecordings(w http.ResponseWriter, r *http.Request) error {
	if err := s.config.Hook.ask(r.Context(), ListRecordings, cmp.Or(r.URL.Query().Get("Page"), "0")); err != nil {
		return err
	}
	since, _ := time.Parse(time.DateOnly, r.URL.Query().Get("DateCreated>"))
	found := []map[string]any{}
	for _, one := range s.listed.newestFirst() {
		if !one.Began.Before(since) {
			found = append(found, s.describe(one))
		}
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	answer(w, http.StatusOK, page(r, "recordings", found))
	return nil
}

// recordingFile answers with what is known of a recording, or with its audio.
func (s *SignalWire) recordingFile(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.PathValue("file"), ".json") {
		s.authorized(s.describeRecording)(w, r)
		return
	}
	s.media(s.recording)(w, r)
}

func (s *SignalWire) describeRecording(w http.ResponseWriter, r *http.Request) error {
	sid := strings.TrimSuffix(r.PathValue("file"), ".json")
	if err := s.config.Hook.ask(r.Context(), DescribeRecording, sid); err != nil {
		return err
	}
	s.listed.mu.Lock()
	one, ok := s.listed.bySid[sid]
	s.listed.mu.Unlock()
	if !ok {
		return &APIError{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource was not found"}
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	answer(w, http.StatusOK, s.describe(one))
	return nil
}

// describe is a recording as the API shows it.
func (s *SignalWire) describe(r Recording) map[string]any {
	ended := r.Began
	if r.Status != "in-progress" {
		ended = r.Began.Add(r.Length)
	}
	orNull := func(text string) any {
		if text == "" {
			return nil
		}
		return text
	}
	return map[string]any{
		"sid":            r.Sid,
		"account_sid":    s.config.Project,
		"call_sid":       orNull(r.Call),
		"conference_sid": orNull(r.Conference),
		"status":         r.Status,
		"source":         r.Source,
		"channels":       1,
		"duration":       int(r.Length.Seconds()),
		"start_time":     r.Began.UTC().Format(time.RFC1123Z),
		"date_created":   r.Began.UTC().Format(time.RFC1123Z),
		"date_updated":   ended.UTC().Format(time.RFC1123Z),
		"error_code":     nil,
		"uri":            "/api/laml/2010-04-01/Accounts/" + s.config.Project + "/Recordings/" + r.Sid + ".json",
	}
}
