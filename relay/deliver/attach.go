package deliver

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"ringpost/relay/channel"
	"ringpost/relay/recording"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

const (
	// attachFor is how long after it was made a delivery waits for its recording.
	// Then it goes without: being told matters more.
	attachFor = 10 * time.Minute
	// fetchTime bounds fetching a recording once.
	fetchTime = time.Minute
)

// Audio is a recording that was fetched, on disk.
type Audio struct {
	File        io.ReaderAt
	Size        int64
	ContentType string // as the provider says
	Close       func()
}

// Fetch fetches the recording that is to go with a delivery: in its Attach's
// format, and no more than its MaxBytes. Its errors mean what those of
// [recording.Fetcher.Spool] mean. It may be called at once.
type Fetch func(ctx context.Context, d *store.Delivery) (*Audio, error)

// FetchBy says how recordings are fetched. It must be called before the first
// [Deliverer.Configure]; without it none are.
func (d *Deliverer) FetchBy(fetch Fetch) { d.fetch = fetch }

// fetched is what came of fetching a delivery's recording.
type fetched struct {
	audio *Audio // nil where there is an error
	err   error
	began time.Time
	took  time.Duration
}

// hasRecording reports whether it is known what goes with d. Where it is not, d is
// not the worker's any more: it comes back once it is. Meanwhile workers are for
// others, and so is most of the lane's room, since a provider that does not
// answer must hold up nobody whom it has nothing for.
func (l *lane) hasRecording(d *store.Delivery) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fetching == nil {
		l.fetching, l.fetched = make(map[int64]time.Time), make(map[int64]fetched)
	}
	now := l.now()
	_, known := l.fetched[d.ID]
	switch {
	case known:
		return true
	case len(l.fetching) < max(1, l.room/4):
		l.fetching[d.ID] = now
		l.fetchers.Go(func() { l.fetch(d) })
	case now.Before(attachUntil(d)):
		at := now.Add(l.crowded(now))
		if until := attachUntil(d); at.After(until) {
			at = until
		}
		l.fetchers.Go(func() { l.putOff(d, at) })
	default:
		l.fetched[d.ID] = fetched{err: errCrowded}
		return true
	}
	return false
}

var errCrowded = errors.New("other recordings are fetched first")

// crowded is how long to leave alone what has no room to be fetched: the longer,
// the longer the provider lets wait. l.mu must be held.
func (l *lane) crowded(now time.Time) time.Duration {
	longest := time.Second
	for _, since := range l.fetching {
		longest = max(longest, now.Sub(since))
	}
	return longest + rand.N(longest)
}

// fetch fetches d's recording and gives d back to the workers.
func (l *lane) fetch(d *store.Delivery) {
	ctx, cancel := context.WithTimeout(l.stop, fetchTime)
	defer cancel()
	f := fetched{began: time.Now()}
	if l.parent.fetch == nil {
		f.err = fmt.Errorf("%w: nothing here does", recording.ErrRefused)
	} else {
		f.audio, f.err = l.parent.fetch(ctx, d)
	}
	f.took = time.Since(f.began)
	l.mu.Lock()
	delete(l.fetching, d.ID)
	l.fetched[d.ID] = f // until it is dropped
	l.mu.Unlock()
	l.queue <- d // which has room for it, since it is held
}

// forget lets go of what was fetched for a delivery. l.mu must be held.
func (l *lane) forget(id int64) {
	f, ok := l.fetched[id]
	if !ok {
		return
	}
	delete(l.fetched, id)
	if f.audio != nil {
		f.audio.Close()
	}
}

// attach gives m the recording, or has it say why it has none; o gets what came of
// that. An error means that it may come yet, and that m is not to be sent before.
func (l *lane) attach(m *channel.Message, d *store.Delivery, o *store.Outcome) error {
	l.mu.Lock()
	f := l.fetched[d.ID]
	l.mu.Unlock()
	if f.err == nil {
		o.Attached = f.audio.Size
		kind, extension := fileType(f.audio.ContentType, d.Attach.Format)
		m.Attachment = &channel.Attachment{
			Name:        "recording-" + d.ReceivedAt.UTC().Format("2006-01-02-1504") + "." + extension,
			ContentType: kind,
			Size:        f.audio.Size,
			File:        f.audio.File,
			Without: func(reason string) (text, page string) {
				o.Attached = 0
				return l.leaveOut(d, o, reason, reason)
			},
		}
		return nil
	}
	clause := "it could not be fetched"
	switch {
	case isTooLarge(f.err):
		clause = "it has more than " + rules.Size(d.Attach.MaxBytes)
	case errors.Is(f.err, recording.ErrRefused):
	case l.now().Before(attachUntil(d)):
		return fmt.Errorf(notYet+"%w", f.err)
	default:
		clause = "it could not be fetched in time"
	}
	m.Text, m.HTML = l.leaveOut(d, o, clause, f.err.Error())
	return nil
}

// leaveOut has d go without its recording, for a reason that clause says in fewer
// words, and returns what it says then.
func (l *lane) leaveOut(d *store.Delivery, o *store.Outcome, clause, reason string) (text, page string) {
	l.log.Warn("recording not attached: the email has a link in its place", "delivery", d.ID, "recording", d.Recording, "err", reason)
	o.LeftOut = reason
	return without(d, clause)
}

// notYet is how the error begins of a delivery that waits for its recording.
const notYet = "the recording cannot be attached yet: "

// AwaitsRecording reports whether the error of an attempt says that the message was
// not sent, since its recording was not there.
func AwaitsRecording(err string) bool { return strings.HasPrefix(err, notYet) }

// whyAwaiting says in a sentence that d waits for its recording; empty where it
// does not.
func whyAwaiting(d *store.Delivery, now time.Time) string {
	reason, awaits := strings.CutPrefix(d.LastError, notYet)
	if !awaits || d.State != store.Retrying {
		return ""
	}
	return fmt.Sprintf("waits for the recording, which is to go with it (%s); asked for again at %s, and given up after %v",
		short(reason), clock(d.NextAttemptAt, now), attachFor)
}

// whyAttached says after a comma what came of the recording that was to go with d;
// empty where none was.
func whyAttached(a store.Attachment) string {
	switch {
	case a.Bytes > 0:
		return ", with the recording (" + rules.Size(a.Bytes) + ")"
	case a.LeftOut != "":
		return ", with a link in place of the recording: " + short(a.LeftOut)
	}
	return ""
}

func isTooLarge(err error) bool {
	_, ok := errors.AsType[*recording.TooLargeError](err)
	return ok
}

// attachUntil is when d goes without its recording.
func attachUntil(d *store.Delivery) time.Time {
	until := d.CreatedAt.Add(attachFor)
	if d.GiveUpAt.Before(until) {
		return d.GiveUpAt
	}
	return until
}

// awaitRecording records that d's recording was not there, which says nothing of
// the channel.
func (l *lane) awaitRecording(d *store.Delivery, err error, committed chan struct{}) {
	l.mu.Lock()
	f := l.fetched[d.ID]
	l.mu.Unlock()
	o := &store.Outcome{StartedAt: f.began, Took: f.took, Err: err.Error(), State: store.Retrying, Unsure: d.Unsure,
		NextAttemptAt: l.now().Add(l.parent.policy.Load().retryIn(d.Attempts + 1))}
	if until := attachUntil(d); o.NextAttemptAt.After(until) {
		o.NextAttemptAt = until
	}
	l.recordLater(d, o, committed)
}

// noteStyle has colours of its own, since it is not known what is behind it.
const noteStyle = "margin:0 auto 32px;padding:12px 16px;max-width:448px;border-radius:9px;background:#fff4d6;color:#3d3000;" +
	"font:14px/20px -apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

// without is what d says where it has a link in place of the recording.
func without(d *store.Delivery, reason string) (text, page string) {
	sentence := "The recording is not attached: " + reason + "."
	text = strings.TrimRight(d.Text, "\n") + "\n\n" + sentence + " Listen to it here:\n" + d.Attach.Link + "\n"
	if d.HTML == "" {
		return text, ""
	}
	note := `<p style="` + noteStyle + `">` + html.EscapeString(sentence) +
		` <a style="color:#1f5fd6" href="` + html.EscapeString(d.Attach.Link) + `">Listen to it here</a>.</p>` + "\n"
	end := strings.LastIndex(strings.ToLower(d.HTML), "</body>")
	if end < 0 || len(strings.ToLower(d.HTML)) != len(d.HTML) {
		end = len(d.HTML)
	}
	return text, d.HTML[:end] + note + d.HTML[end:]
}

// audioTypes are what providers call the types of audio, with the name under
// which mail programs know each, and how such files end.
var audioTypes = map[string][2]string{
	"audio/mpeg":     {"audio/mpeg", "mp3"},
	"audio/mp3":      {"audio/mpeg", "mp3"},
	"audio/wav":      {"audio/wav", "wav"},
	"audio/x-wav":    {"audio/wav", "wav"},
	"audio/wave":     {"audio/wav", "wav"},
	"audio/vnd.wave": {"audio/wav", "wav"},
	"audio/ogg":      {"audio/ogg", "ogg"},
	"audio/mp4":      {"audio/mp4", "m4a"},
	"audio/x-m4a":    {"audio/mp4", "m4a"},
	"audio/flac":     {"audio/flac", "flac"},
	"audio/webm":     {"audio/webm", "webm"},
}

// fileType returns the type of a file, and how its name ends. A recording that
// comes in one format only need not have the one that was asked for.
func fileType(contentType, format string) (kind, extension string) {
	kind, _, _ = strings.Cut(contentType, ";")
	if known, ok := audioTypes[strings.ToLower(strings.TrimSpace(kind))]; ok {
		return known[0], known[1]
	}
	return "application/octet-stream", format
}
