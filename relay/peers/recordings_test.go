package peers_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"

	"ringpost/relay/peers"
)

func TestRecordingsArePlayedInTheFormatOfTheirSuffix(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t", ProtectMedia: true})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.Record("R1", 10*time.Second)
	get := func(url, token, span string) (*http.Response, []byte) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("p", token)
		req.Header.Set("Range", span)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp, body
	}
	url := api.RecordingURL("R1")
	for _, suffix := range []string{"", ".wav"} {
		resp, wav := get(url+suffix, "t", "")
		size := 10 * 2 * 16_000
		if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "audio/x-wav" || len(wav) != 44+size ||
			!bytes.HasPrefix(wav, []byte("RIFF")) || int(binary.LittleEndian.Uint32(wav[40:])) != size {
			t.Errorf("GET R1%s = %s, %s, %d bytes; want ten seconds of WAV", suffix, resp.Status, resp.Header.Get("Content-Type"), len(wav))
		}
	}
	resp, mp3 := get(url+".mp3", "t", "")
	if frame := []byte("\xff\xf3\x28"); resp.StatusCode != http.StatusOK || len(mp3) != 278*72 || !bytes.HasPrefix(mp3[72:], frame) {
		t.Errorf("GET R1.mp3 = %s, %d bytes; want 278 frames of MP3", resp.Status, len(mp3))
	}
	if resp, part := get(url+".mp3", "t", "bytes=72-143"); resp.StatusCode != http.StatusPartialContent || !bytes.Equal(part, mp3[72:144]) {
		t.Errorf("GET the second frame of R1.mp3 = %s, %x; want %x", resp.Status, part, mp3[72:144])
	}
	for _, missing := range []string{api.RecordingURL("R2"), url + ".ogg"} {
		if resp, _ := get(missing, "t", ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s = %s, want 404", missing, resp.Status)
		}
	}
	if resp, _ := get(url+".mp3", "wrong", ""); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("GET protected media with a wrong token = %s, want 401", resp.Status)
	}
}
