package peers

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"math"
	"net/http"
	"path"
	"strings"
	"time"
)

// RecordingURL returns the URL of a recording as callbacks have it: without a
// suffix, which is a WAV file.
func (s *SignalWire) RecordingURL(sid string) string {
	return s.URL + "/api/laml/2010-04-01/Accounts/" + s.config.Project + "/Recordings/" + sid
}

// Record makes the API have a recording of that length: a steady tone.
func (s *SignalWire) Record(sid string, length time.Duration) { s.recordings.Store(sid, length) }

// deleteRecording deletes a recording that it was told of with Record.
func (s *SignalWire) deleteRecording(w http.ResponseWriter, r *http.Request) error {
	sid := r.PathValue("file")
	if err := s.config.Hook.ask(r.Context(), DeleteRecording, sid); err != nil {
		return err
	}
	if _, ok := s.recordings.LoadAndDelete(sid); !ok {
		return &APIError{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource was not found"}
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Recorded reports whether the API has that recording, which was not deleted.
func (s *SignalWire) Recorded(sid string) bool {
	_, ok := s.recordings.Load(sid)
	return ok
}

// recording answers with the audio of a recording, in the format that its suffix
// asks for.
func (s *SignalWire) recording(w http.ResponseWriter, r *http.Request) error {
	file := r.PathValue("file")
	format := path.Ext(file)
	sid := strings.TrimSuffix(file, format)
	if err := s.config.Hook.ask(r.Context(), FetchRecording, sid); err != nil {
		if to, ok := errors.AsType[*SentOn](err); ok {
			http.Redirect(w, r, to.URL, http.StatusFound)
			return nil
		}
		return err
	}
	length, ok := s.recordings.Load(sid)
	var audio []byte
	switch {
	case !ok || r.PathValue("project") != s.config.Project:
	case format == ".mp3":
		w.Header().Set("Content-Type", "audio/mpeg")
		audio = mp3Tone(length.(time.Duration))
	case format == "" || format == ".wav":
		w.Header().Set("Content-Type", "audio/x-wav")
		audio = wavTone(length.(time.Duration))
	}
	if audio == nil {
		return &APIError{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource was not found"}
	}
	// Content of this length is always the same one.
	w.Header().Set("ETag", `"`+length.(time.Duration).String()+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(audio))
	return nil
}

const (
	toneRate      = 16_000 // samples a second
	frameSamples  = 576    // of an MP3 frame at this rate
	tonePeriod    = 36     // samples: a whole number of them is a frame, which makes all frames alike
	toneAmplitude = 9_000  // of 32,767
)

// toneFrame is one frame of the tone as LAME encodes it at 16 kbit/s without a
// bit reservoir: it can be decoded whatever comes before it.
var toneFrame = must(hex.DecodeString("fff328c4000a6aca1400b80ac8fd7fe11f9b418871e11076c1824b7f850efffff52ffa8fffff" +
	"efffc7ffb7fedffa8ffffffffe3bedeb42620a6a299971898180" + strings.Repeat("0", 16)))

func must(frame []byte, err error) []byte {
	if err != nil {
		panic(err) // the frame is a constant
	}
	return frame
}

// mp3Tone returns an MP3 file of at least that length.
func mp3Tone(length time.Duration) []byte {
	frames := math.Ceil(length.Seconds() * toneRate / frameSamples)
	return bytes.Repeat(toneFrame, max(1, int(frames)))
}

// wavTone returns the same as a WAV file of 16-bit samples.
func wavTone(length time.Duration) []byte {
	size := 2 * int(length.Seconds()*toneRate)
	file := []byte("RIFF----WAVEfmt ")
	binary.LittleEndian.PutUint32(file[4:], uint32(36+size)) // #nosec G115 -- a tone is short
	for _, field := range []any{
		uint32(16), uint16(1), uint16(1), // PCM, one channel
		uint32(toneRate), uint32(2 * toneRate), uint16(2), uint16(16), // bytes a second and a sample, bits a sample
		[]byte("data"), uint32(size), // #nosec G115 -- a tone is short
	} {
		file, _ = binary.Append(file, binary.LittleEndian, field) // fails for types of no fixed size only
	}
	for i := range size / 2 {
		sample := toneAmplitude * math.Sin(2*math.Pi*float64(i)/tonePeriod)
		file = binary.LittleEndian.AppendUint16(file, uint16(int16(sample))) // #nosec G115 -- the bits of it
	}
	return file
}
