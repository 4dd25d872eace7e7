package page

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/callback"
	"ringpost/relay/deliver"
	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// maxCallbacks bounds the callbacks of a recording that are shown: there may be
// one for each message about it that could not be delivered.
const maxCallbacks = 24

// maxWhole bounds the deliveries of a recording that are shown with what they
// say and what became of them; of the others there is a line each.
const maxWhole = 40

// recording is what the page of one recording shows.
type recording struct {
	Asked     store.Recording // the callback that was asked for
	Link      string          // to the audio at the provider; empty where there is none
	Host      string          // of Link
	Query     []pair
	Fields    []pair
	Callbacks []told // that one first
	More      int    // callbacks beyond those
	Timeline  []moment
}

// unheard reports whether the callback tells of a message that could not be
// delivered, and no rule wants to know: there is nothing more to say than that.
func (t *told) unheard() bool {
	return t.RecordingStatus == callback.Undelivered && !t.RoutedAt.IsZero() && len(t.Rest)+len(t.Deliveries) == 0
}

// About is what is said of whom the callback told, where there are others.
func (t *told) About() string {
	if t.RecordingStatus == callback.Undelivered {
		return " of delivery " + t.Fields["DeliveryId"] + ", which failed"
	}
	return " when it was “" + inStatusWords(t.RecordingStatus) + "”"
}

// pair is a name and a value that a sender has chosen.
type pair struct{ Name, Value string }

// told is one callback of the recording, whom it told, and why.
type told struct {
	store.Recording
	Deliveries []delivery
	Rest       []chip // deliveries beyond those
	Digests    []collected
	Matched    int
	Trace      []rules.RuleTrace
	LooksUp    string // what it waits for, in a sentence; empty where it does not
	Forgotten  bool   // the rules of that time are not kept any more
}

// collected is a digest that a callback waits in.
type collected struct {
	store.Digest
	Who string // the contact with that address, or the address
	Why string
}

// delivery is a delivery with all that is known of it.
type delivery struct {
	store.Delivery
	Who        string // the contact with that address, or the address
	Why        string
	Segments   int  // of an SMS
	Recordings int  // that it tells of; more than 1 in a digest
	LinkOpens  bool // the link in what it says opens the recording
	Attempts   []store.Attempt
	Operations []store.Operation
}

// Playable reports whether there is something to hear.
func (r *recording) Playable() bool {
	return r.Link != "" && r.Asked.RecordingStatus != "absent" && r.Asked.RecordingStatus != "failed"
}

// Attaches says what is to go with the message; empty once Why says what came of
// that, and where there is nothing.
func (d *delivery) Attaches() string {
	a := d.Attach
	if a.Format == "" || a.Bytes > 0 || a.LeftOut != "" {
		return ""
	}
	return "With the recording as " + strings.ToUpper(a.Format) + ", if it has at most " + rules.Size(a.MaxBytes)
}

func (d *delivery) CanRetry() bool {
	return d.Text != "" && d.To != "" && d.State.Retryable()
}

func (d *delivery) CanCancel() bool {
	return d.State == store.Queued || d.State == store.Retrying || d.State == store.Unknown
}

func (d *delivery) CanForward() bool { return d.Text != "" && d.Kind != render.Archive }

func (p *Page) recording(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	callbacks, err := p.callbacks(r.Context(), params)
	if err != nil {
		return err
	}
	page := recording{Asked: callbacks[0]}
	page.Link, page.Host = webLink(audible(callbacks).RecordingUrl)
	page.Query, page.Fields = pairs(page.Asked.Query), pairs(page.Asked.Fields)
	channels := make(map[string]*deliver.Status)
	for _, s := range p.service.Status() {
		channels[s.Channel] = &s
	}
	page.More = max(0, len(callbacks)-maxCallbacks)
	for i, cb := range callbacks[:len(callbacks)-page.More] {
		told, err := p.told(r.Context(), cb, channels)
		if err != nil {
			return err
		}
		page.Timeline = append(page.Timeline, told.timeline()...)
		if i == 0 || !told.unheard() {
			page.Callbacks = append(page.Callbacks, told)
		}
	}
	page.Timeline = inOrder(page.Timeline)
	p.show(w, r, http.StatusOK, "recording", "Recording "+page.Asked.RecordingSid, &page)
	return nil
}

// callbacks returns the callbacks of a recording: that with the id in the path
// first, and then the newest.
func (p *Page) callbacks(ctx context.Context, params httprouter.Params) ([]store.Recording, error) {
	id, err := readID(params)
	if err != nil {
		return nil, err
	}
	all, err := p.store.Recording(ctx, id)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	asked := slices.IndexFunc(all, func(rec store.Recording) bool { return rec.ID == id })
	first := all[asked]
	copy(all[1:asked+1], all[:asked])
	all[0] = first
	return all, nil
}

// told gathers what became of one callback.
func (p *Page) told(ctx context.Context, rec store.Recording, channels map[string]*deliver.Status) (told, error) {
	t := told{Recording: rec}
	plan, err := p.plans.of(ctx, rec.PlanID)
	if err != nil {
		return t, err
	}
	if rec.LooksUp {
		if t.LooksUp, err = p.looksUp(ctx, rec.ID); err != nil {
			return t, err
		}
	}
	if t.Forgotten = !rec.RoutedAt.IsZero() && plan == nil; plan != nil {
		t.Trace = plan.set.Explain(rec.Callback).Rules
		for _, r := range t.Trace {
			if r.Matched {
				t.Matched++
			}
		}
	}
	for i, d := range rec.Deliveries {
		if i >= maxWhole {
			t.Rest = append(t.Rest, chip{d.State, d.Kind, plan.who(d.To)})
			continue
		}
		one, err := p.whole(ctx, d.ID, plan, channels)
		if err != nil {
			return t, err
		}
		t.Deliveries = append(t.Deliveries, one)
	}
	for _, d := range rec.Digests {
		t.Digests = append(t.Digests, collected{d, plan.who(d.To), sentence(deliver.WhyCollected(&d, p.store.Now()))})
	}
	return t, nil
}

// whole gathers all that is known of a delivery.
func (p *Page) whole(ctx context.Context, id int64, plan *plan, channels map[string]*deliver.Status) (d delivery, err error) {
	found, attempts, err := p.store.Delivery(ctx, id)
	if err != nil {
		return d, err
	}
	d = delivery{Delivery: *found, Who: plan.who(found.To), Attempts: attempts}
	if d.Operations, err = p.store.Operations(ctx, id); err != nil {
		return d, err
	}
	if d.Link, err = p.store.Link(ctx, id); err != nil {
		return d, err
	}
	if d.Recordings, err = p.store.TellsOf(ctx, id); err != nil {
		return d, err
	}
	d.LinkOpens = d.Link != nil && d.Link.RevokedAt.IsZero() && d.Link.ExpiresAt.After(p.store.Now())
	d.Why = sentence(deliver.Why(found, channels[d.Channel], d.Operations, p.store.Now()))
	if d.Kind == render.SMS && d.Text != "" {
		d.Segments, _ = render.Segments(d.Text)
	}
	return d, nil
}

// playAudio plays the recording.
func (p *Page) playAudio(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	callbacks, err := p.callbacks(r.Context(), params)
	if err != nil {
		return err
	}
	p.service.ServeAudio(w, r, audible(callbacks))
	return nil
}

// audible is the first of a recording's callbacks that says where it is, or the
// first one. The one that tells that it began does not.
func audible(callbacks []store.Recording) *callback.Callback {
	for _, cb := range callbacks {
		if cb.RecordingUrl != "" {
			return cb.Callback
		}
	}
	return callbacks[0].Callback
}

// readID reads the id in a path.
func readID(params httprouter.Params) (int64, error) {
	id, err := strconv.ParseInt(params.ByName("id"), 10, 64)
	if err != nil || id < 1 {
		return 0, errNoPage
	}
	return id, nil
}

// webLink returns raw and its host where a browser may follow it: a callback is
// others' words.
func webLink(raw string) (link, host string) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", ""
	}
	return raw, u.Host
}

func pairs(m map[string]string) (list []pair) {
	for name, value := range m {
		list = append(list, pair{name, value})
	}
	slices.SortFunc(list, func(a, b pair) int { return strings.Compare(a.Name, b.Name) })
	return list
}
