package deliver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/deliver"
	"ringpost/relay/recording"
	"ringpost/relay/store"
)

const attachLink = "https://hooks.example.com/r/0123456789A"

// provider has recordings, or has them not, as a test wants it to.
type provider struct {
	answer func(ctx context.Context, d *store.Delivery) (*deliver.Audio, error)

	mu    sync.Mutex
	asked []time.Time
	open  int // files
}

func (p *provider) fetch(ctx context.Context, d *store.Delivery) (*deliver.Audio, error) {
	p.mu.Lock()
	p.asked = append(p.asked, time.Now())
	p.mu.Unlock()
	audio, err := p.answer(ctx, d)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	p.open++
	p.mu.Unlock()
	audio.Close = func() {
		p.mu.Lock()
		p.open--
		p.mu.Unlock()
	}
	return audio, nil
}

func (p *provider) counts() (asked, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked), p.open
}

func tone(context.Context, *store.Delivery) (*deliver.Audio, error) {
	return &deliver.Audio{File: bytes.NewReader([]byte("tone")), Size: 4, ContentType: "audio/mpeg"}, nil
}

func failing(err error) func(context.Context, *store.Delivery) (*deliver.Audio, error) {
	return func(context.Context, *store.Delivery) (*deliver.Audio, error) { return nil, err }
}

// hanging is a provider that does not answer.
func hanging(ctx context.Context, _ *store.Delivery) (*deliver.Audio, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// newAttachBench is newBench for one channel, with a provider.
func newAttachBench(t *testing.T, policy deliver.Policy, p *provider, ch deliver.Channel) *bench {
	t.Helper()
	b := newBenchFetching(t, policy, p.fetch, map[string]deliver.Channel{"email": ch})
	settle(time.Second)
	return b
}

// attach stores one callback with a delivery to each recipient, with which the
// recording is to go.
func (b *bench) attach(recipients ...string) (ids []int64) {
	b.t.Helper()
	return b.routeAs(func(d *store.Delivery) {
		d.HTML = "<html><body><p>t</p></BODY></html>"
		d.Attach = store.Attachment{Format: "mp3", MaxBytes: 10_000_000, Link: attachLink}
	}, "email", recipients...)
}

func TestARecordingGoesWithTheMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var heard string
		ch := &scripted{}
		ch.see = func(m *channel.Message) {
			file := make([]byte, m.Attachment.Size)
			if _, err := m.Attachment.File.ReadAt(file, 0); err != nil {
				t.Error(err)
			}
			heard = string(file)
		}
		p := &provider{answer: tone}
		b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
		id := b.attach("alice@example.com")[0]
		plain := func() *channel.Message { return &ch.sent[0] }
		settle(time.Second)
		d := b.wantState(id, store.Delivered)
		want := "recording-" + d.ReceivedAt.UTC().Format("2006-01-02-1504") + ".mp3"
		if a := plain().Attachment; a == nil || a.Name != want || a.ContentType != "audio/mpeg" || heard != "tone" {
			t.Fatalf("with it went %+v, %q; want %s", a, heard, want)
		}
		if m := plain(); m.Text != d.Text || m.HTML != d.HTML || strings.Contains(m.Text, "/r/") {
			t.Errorf("it says %q and %q, want the words as they were written", m.Text, m.HTML)
		}
		if d.Attach.Bytes != 4 || d.Attach.LeftOut != "" || d.Attempts != 1 {
			t.Errorf("on record is %+v after %d attempts, want the recording of 4 bytes after one", d.Attach, d.Attempts)
		}
		if asked, open := p.counts(); asked != 1 || open != 0 {
			t.Errorf("it was fetched %d times, and %d files are open", asked, open)
		}
	})
}

// mustBeWithout checks that a message has the link in place of the recording.
func mustBeWithout(t *testing.T, m *channel.Message, reason string) {
	t.Helper()
	sentence := "The recording is not attached: " + reason + "."
	if m.Attachment != nil || m.Text != "t\n\n"+sentence+" Listen to it here:\n"+attachLink+"\n" {
		t.Errorf("it says %q with %v, want that it is without: %s", m.Text, m.Attachment, reason)
	}
	body, end, _ := strings.Cut(m.HTML, "</BODY>")
	if !strings.HasPrefix(body, "<html><body><p>t</p><p style=") || !strings.Contains(body, sentence) ||
		!strings.Contains(body, ` href="`+attachLink+`">Listen`) || end != "</html>" {
		t.Errorf("its HTML is %q, want that it is without: %s", m.HTML, reason)
	}
}

func TestARecordingThatCannotBeHadIsNotWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		err    error
		reason string
	}{
		"too large": {&recording.TooLargeError{Max: 10_000_000, Size: 12_000_000}, "it has more than 10 MB"},
		"refused":   {fmt.Errorf("%w: elsewhere", recording.ErrRefused), "it could not be fetched"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ch, p := &scripted{}, &provider{answer: failing(test.err)}
			b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
			id := b.attach("alice@example.com")[0]
			settle(time.Second)
			d := b.wantState(id, store.Delivered)
			mustBeWithout(t, &ch.sent[0], test.reason)
			if d.Attach.Bytes != 0 || d.Attach.LeftOut != test.err.Error() || d.Attempts != 1 {
				t.Errorf("%s: on record is %+v after %d attempts", name, d.Attach, d.Attempts)
			}
		})
	}
}

func TestARecordingThatIsNotThereYetIsAskedForAgainForTenMinutes(t *testing.T) {
	for _, last := range []bool{false, true} { // whether it comes at the last moment
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			ch, p := &scripted{}, &provider{}
			p.answer = func(ctx context.Context, d *store.Delivery) (*deliver.Audio, error) {
				if last && time.Since(began) > 9*time.Minute {
					return tone(ctx, d)
				}
				return nil, fmt.Errorf("%w: HTTP status 404", recording.ErrNotThere)
			}
			b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
			id := b.attach("alice@example.com")[0]
			settle(9 * time.Minute)
			d := b.wantState(id, store.Retrying)
			if want := "the recording cannot be attached yet: the provider does not have the recording: HTTP status 404"; d.LastError != want || ch.count() != 0 {
				t.Errorf("last error = %q, sent %d times; want %q and nothing sent", d.LastError, ch.count(), want)
			}
			if asked, _ := p.counts(); asked < 5 || asked > 9 {
				t.Errorf("asked %d times in nine minutes, want ever longer pauses", asked)
			}
			settle(2 * time.Minute)
			d = b.wantState(id, store.Delivered)
			if at := d.FinishedAt.Sub(d.CreatedAt); !last && (at < 10*time.Minute || at > 10*time.Minute+time.Second) {
				t.Errorf("it went without after %v, want ten minutes", at)
			}
			if last {
				if ch.sent[0].Attachment == nil || d.Attach.Bytes != 4 {
					t.Errorf("it went without, though the recording came in time: %q", ch.sent[0].Text)
				}
			} else {
				mustBeWithout(t, &ch.sent[0], "it could not be fetched in time")
			}
			if _, open := p.counts(); open != 0 {
				t.Errorf("%d files are open", open)
			}
		})
	}
}

// Where a message is to be given up sooner, it goes without its recording sooner.
func TestAMessageIsNotGivenUpForItsRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short := policy
		short.GiveUpAfter = 2 * time.Minute
		ch, p := &scripted{}, &provider{answer: failing(errors.New("busy"))}
		b := newAttachBench(t, short, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
		id := b.attach("alice@example.com")[0]
		settle(time.Minute)
		b.wantState(id, store.Retrying)
		settle(2 * time.Minute)
		b.wantState(id, store.Delivered)
		mustBeWithout(t, &ch.sent[0], "it could not be fetched in time")
	})
}

// A provider in trouble is not the channel's: it does not take it down, nor up.
func TestTroubleWithRecordingsSaysNothingOfTheChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, p := &scripted{}, &provider{answer: failing(errors.New("connection refused"))}
		b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 2, Prefetch: 32})
		for i := range 20 {
			b.attach(fmt.Sprintf("user%d@example.com", i))
		}
		settle(time.Minute)
		if s := b.deliverer.Status()[0]; s.Down || s.LastError != "" {
			t.Errorf("status = %+v, want the channel up and nothing said of it", s)
		}
		id := b.route("email", "alice@example.com")[0]
		settle(time.Second)
		b.wantState(id, store.Delivered)

		ch.script(func(*channel.Message) error { return channel.Down(errors.New("no route")) })
		for i := range 10 {
			b.route("email", fmt.Sprintf("down%d@example.com", i))
		}
		settle(time.Minute)
		if s := b.deliverer.Status()[0]; !s.Down || s.LastError != "no route" {
			t.Errorf("status = %+v, want the channel down, whatever comes of recordings", s)
		}
		p.answer = tone
		ch.script(nil)
		settle(15 * time.Minute)
		if asked, open := p.counts(); asked == 0 || open != 0 {
			t.Errorf("asked %d times, %d files are open", asked, open)
		}
		if left, err := b.store.Deliveries(t.Context(), store.Filter{State: store.Delivered, Limit: 100}); err != nil || len(left) != 31 {
			t.Errorf("%d of 31 are delivered once both are well again, %v", len(left), err)
		}
	})
}

// A provider that does not answer holds up nobody whom it has nothing for.
func TestOthersDoNotWaitForRecordings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, p := &scripted{}, &provider{answer: hanging}
		b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 16})
		for i := range 100 {
			b.attach(fmt.Sprintf("user%d@example.com", i))
		}
		settle(time.Second)
		for range 10 {
			id := b.route("email", "alice@example.com")[0]
			settle(10 * time.Second)
			b.wantState(id, store.Delivered)
		}
		if asked, _ := p.counts(); asked > 4*3 {
			t.Errorf("%d were asked for within 100 s, want a quarter of the room at once, for a minute each", asked)
		}
		waiting, err := b.store.Deliveries(t.Context(), store.Filter{State: store.Queued, Limit: 100})
		if err != nil || len(waiting) == 0 {
			t.Fatalf("%d wait, %v", len(waiting), err)
		}
		for _, d := range waiting {
			if d.Attempts > 0 {
				t.Errorf("delivery %d was not attempted, and counts %d attempts", d.ID, d.Attempts)
			}
		}
		settle(12 * time.Minute)
		sent, err := b.store.Deliveries(t.Context(), store.Filter{State: store.Delivered, Limit: 200})
		if err != nil || len(sent) != 110 {
			t.Errorf("%d of 110 have gone out in the end, %v", len(sent), err)
		}
	})
}

func TestAMailServerThatTakesNoSuchSizeIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, p := &scripted{}, &provider{answer: tone}
		ch.see = func(m *channel.Message) {
			m.Text, m.HTML = m.Attachment.Without("the mail server does not take so large a message")
			m.Attachment = nil
		}
		b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
		id := b.attach("alice@example.com")[0]
		settle(time.Second)
		d := b.wantState(id, store.Delivered)
		mustBeWithout(t, &ch.sent[0], "the mail server does not take so large a message")
		if d.Attach.Bytes != 0 || d.Attach.LeftOut != "the mail server does not take so large a message" {
			t.Errorf("on record is %+v", d.Attach)
		}
	})
}

func TestAStopLeavesNoFileOpenAndNothingHeld(t *testing.T) {
	for name, answer := range map[string]func(context.Context, *store.Delivery) (*deliver.Audio, error){"fetching": hanging, "fetched": tone} {
		synctest.Test(t, func(t *testing.T) {
			ch, p := &scripted{}, &provider{answer: answer}
			ch.script(func(*channel.Message) error { <-t.Context().Done(); return nil })
			if name == "fetched" {
				ch.script(func(*channel.Message) error { time.Sleep(10 * time.Second); return errors.New("busy") })
			}
			b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 16})
			var ids []int64
			for i := range 10 {
				ids = append(ids, b.attach(fmt.Sprintf("user%d@example.com", i))...)
			}
			settle(time.Second)
			b.stop()
			if _, open := p.counts(); open != 0 {
				t.Errorf("%s: %d files are open", name, open)
			}
			for _, id := range ids {
				if d, _ := b.delivery(id); d.State == store.Sending {
					t.Errorf("%s: delivery %d is still held", name, id)
				}
			}
		})
	}
}

func TestAFileIsNamedByWhatItIs(t *testing.T) {
	for contentType, want := range map[string][2]string{
		"audio/mpeg": {"audio/mpeg", ".mp3"}, "Audio/X-WAV; codecs=1": {"audio/wav", ".wav"}, "audio/ogg": {"audio/ogg", ".ogg"},
		"application/octet-stream": {"application/octet-stream", ".mp3"}, "audio/x-odd": {"application/octet-stream", ".mp3"},
	} {
		synctest.Test(t, func(t *testing.T) {
			ch, p := &scripted{}, &provider{}
			p.answer = func(ctx context.Context, d *store.Delivery) (*deliver.Audio, error) {
				audio, err := tone(ctx, d)
				audio.ContentType = contentType
				return audio, err
			}
			b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
			b.attach("alice@example.com")
			settle(time.Second)
			if a := ch.sent[0].Attachment; a == nil || a.ContentType != want[0] || !strings.HasSuffix(a.Name, want[1]) {
				t.Errorf("%s: with it went %+v, want %v", contentType, a, want)
			}
		})
	}
}

func TestWhatHasNoRecordingWithItIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ch, p := &scripted{}, &provider{answer: tone}
		b := newAttachBench(t, policy, p, deliver.Channel{Channel: ch, Workers: 1, Prefetch: 8})
		b.route("email", "alice@example.com")
		settle(time.Second)
		if asked, _ := p.counts(); asked != 0 || ch.count() != 1 {
			t.Errorf("asked %d times, sent %d times; want it sent and nothing asked", asked, ch.count())
		}
	})
}
