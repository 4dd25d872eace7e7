package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"ringpost/relay/callback"
)

// Archive is the kind of message that is the recording itself, kept somewhere:
// its words are what is known of it.
const Archive = "archive"

// DefaultPath is the template of where in an archive a recording is kept, where
// nothing else is said.
const DefaultPath = `{{.ReceivedAt.Format "2006/01/02"}}/{{.RecordingSid}}.mp3`

const (
	// maxPath bounds a path in bytes: S3 allows 1024 with the prefix.
	maxPath = 500
	// maxSegment bounds what stands between two slashes: file systems allow 255.
	maxSegment = 200
)

// ParsePath parses the template of the paths of recordings in an archive. Each
// recording must have one of its own, which ends with the format that is kept.
func ParsePath(src string) (*Text, error) { return Contacts(nil).ParsePath(src) }

// ParsePath is [ParsePath] for a template that knows those contacts.
func (c Contacts) ParsePath(src string) (*Text, error) {
	if !strings.HasSuffix(src, ".mp3") && !strings.HasSuffix(src, ".wav") {
		return nil, errors.New("want it to end with .mp3 or .wav, which is the format that is kept")
	}
	t, err := c.ParseText(src)
	if err != nil {
		return nil, err
	}
	loose, err := t.template.Clone()
	if err != nil {
		return nil, unlocated(err)
	}
	loose.Option(emptyWhereMissing)
	one, other := Sample(), Sample()
	other.RecordingSid = strings.Repeat("0", len(one.RecordingSid))
	paths := make(map[string]bool)
	for _, d := range []*Data{one, other} {
		// A sample has no query: what is missing is empty.
		p, err := execute(loose, d.view())
		if err == nil {
			p, err = CleanPath(oneLine(p))
		}
		if err != nil {
			return nil, err
		}
		paths[p] = true
	}
	if len(paths) < 2 {
		return nil, errors.New("two recordings would have the same path: want {{.RecordingSid}} in it")
	}
	return t, nil
}

// PathFormat is the format, mp3 or wav, in which a recording is kept at path.
func PathFormat(path string) string {
	if strings.HasSuffix(path, ".wav") {
		return "wav"
	}
	return "mp3"
}

// CleanPath returns p as a path that every store can have: what is not a letter, a
// digit or one of . _ - + = @ , ~ becomes a hyphen, and empty segments go. A
// callback is others' words, so there is no path out of the archive, nor one that
// is hidden in it.
func CleanPath(p string) (string, error) {
	var kept []string
	for segment := range strings.SplitSeq(p, "/") {
		segment = strings.Map(func(r rune) rune {
			if r != unicode.ReplacementChar && (unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune("._-+=@,~", r)) {
				return r
			}
			return '-'
		}, segment)
		switch {
		case segment == "":
		case segment[0] == '.':
			return "", errors.New("the path has a name that begins with a dot")
		case len(segment) > maxSegment:
			return "", fmt.Errorf("the path has a name of more than %d bytes", maxSegment)
		default:
			kept = append(kept, segment)
		}
	}
	clean := strings.Join(kept, "/")
	switch {
	case clean == "":
		return "", errors.New("the path is empty")
	case len(clean) > maxPath:
		return "", fmt.Errorf("the path has more than %d bytes", maxPath)
	}
	return clean, nil
}

// Metadata is what is known of a recording that is kept. It does not say where
// the provider has it.
type Metadata struct {
	Recording     string            `json:"recording"`
	Account       string            `json:"account"`
	Call          string            `json:"call,omitempty"`
	Status        string            `json:"status"`
	Duration      int               `json:"duration"` // seconds
	Source        string            `json:"source,omitempty"`
	AudioChannels string            `json:"audio_channels,omitempty"`
	From          string            `json:"from,omitempty"` // who called, where that was asked for
	To            string            `json:"to,omitempty"`   // who was called
	Direction     string            `json:"direction,omitempty"`
	ReceivedAt    time.Time         `json:"received_at"`
	Late          bool              `json:"late,omitempty"`
	Query         map[string]string `json:"query,omitempty"`
	Fields        map[string]string `json:"fields,omitempty"`
}

// MetadataOf returns what cb says of its recording, as JSON.
func MetadataOf(cb *callback.Callback) (string, error) {
	m := Metadata{
		Recording: cb.RecordingSid, Account: cb.AccountSid, Call: cb.CallSid, Status: cb.RecordingStatus,
		Duration: cb.RecordingDuration, Source: cb.RecordingSource, AudioChannels: cb.RecordingChannels,
		ReceivedAt: cb.ReceivedAt.UTC(), Late: cb.Late, Query: cb.Query, Fields: cb.Fields,
	}
	if cb.Call != nil {
		m.From, m.To, m.Direction = cb.Call.From, cb.Call.To, cb.Call.Direction
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write down what is known of the recording: %w", err)
	}
	return string(text), nil
}
