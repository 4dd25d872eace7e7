package admin

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/api"
	"ringpost/relay/callback"
	"ringpost/relay/config"
	"ringpost/relay/deliver"
	"ringpost/relay/store"
)

// defaultLimit is how many rows a page has.
const defaultLimit = 50

func (a *Admin) callbacks(w http.ResponseWriter, r *http.Request) {
	list, f, err := a.stored(r, defaultLimit, "recording", "since", "limit", "after")
	if err != nil {
		a.refuse(w, err)
		return
	}
	out := make([]api.Callback, len(list))
	for i, cb := range list {
		out[i] = viewCallback(cb)
	}
	a.answer(w, http.StatusOK, api.Callbacks{Callbacks: out, Next: next(len(out), f, func(i int) int64 { return out[i].ID })})
}

// stored returns the callbacks that r asks for by those keys, and how it does.
func (a *Admin) stored(r *http.Request, limit int, keys ...string) ([]store.Stored, store.Filter, error) {
	f, err := filter(r, store.Filter{Limit: limit}, keys...)
	if err != nil {
		return nil, f, err
	}
	list, err := a.store.Callbacks(r.Context(), f)
	return list, f, err
}

func (a *Admin) deliveries(w http.ResponseWriter, r *http.Request) {
	f, err := filter(r, store.Filter{Limit: defaultLimit}, "recording", "state", "channel", "to", "since", "limit", "after")
	if err != nil {
		a.refuse(w, err)
		return
	}
	list, err := a.store.Deliveries(r.Context(), f)
	if err != nil {
		a.refuse(w, err)
		return
	}
	out := a.viewAll(list)
	a.answer(w, http.StatusOK, api.Deliveries{Deliveries: out, Next: next(len(out), f, func(i int) int64 { return out[i].ID })})
}

func (a *Admin) delivery(w http.ResponseWriter, r *http.Request, p httprouter.Params) {
	id, err := deliveryID(p)
	if err != nil {
		a.refuse(w, err)
		return
	}
	d, attempts, err := a.store.Delivery(r.Context(), id)
	if err != nil {
		a.refuse(w, err)
		return
	}
	operations, err := a.store.Operations(r.Context(), id)
	if err != nil {
		a.refuse(w, err)
		return
	}
	link, err := a.store.Link(r.Context(), id)
	if err != nil {
		a.refuse(w, err)
		return
	}
	recordings, err := a.store.TellsOf(r.Context(), id)
	if err != nil {
		a.refuse(w, err)
		return
	}
	out := view(d, deliver.Why(d, a.statuses()[d.Channel], operations, a.store.Now()))
	if recordings > 1 {
		out.Recordings = recordings
	}
	for _, t := range attempts {
		out.History = append(out.History, api.Attempt{Number: t.Number, StartedAt: t.StartedAt, Seconds: t.Took.Seconds(), Error: t.Err})
	}
	if link != nil {
		out.Link = &api.Link{Opens: link.Opens, OpenedAt: orNull(link.OpenedAt), ExpiresAt: link.ExpiresAt, RevokedAt: orNull(link.RevokedAt)}
	}
	if d.Attach.Format != "" {
		out.Attachment = &api.Attachment{Format: d.Attach.Format, MaxBytes: d.Attach.MaxBytes, Bytes: d.Attach.Bytes, LeftOut: d.Attach.LeftOut}
	}
	for _, o := range operations {
		out.Operations = append(out.Operations, api.Operation(o))
	}
	a.answer(w, http.StatusOK, out)
}

// viewAll returns deliveries in JSON. Who cancelled them is told of one alone.
func (a *Admin) viewAll(list []store.Delivery) []api.Delivery {
	statuses, now := a.statuses(), a.store.Now()
	out := make([]api.Delivery, len(list))
	for i := range list {
		d := &list[i]
		out[i] = view(d, deliver.Why(d, statuses[d.Channel], nil, now))
	}
	return out
}

// statuses returns how the channels do, by name.
func (a *Admin) statuses() map[string]*deliver.Status {
	byName := make(map[string]*deliver.Status)
	for _, s := range a.service.Status() {
		byName[s.Channel] = &s
	}
	return byName
}

func viewCallback(cb store.Stored) api.Callback {
	return api.Callback{
		ID: cb.ID, Recording: cb.RecordingSid, Account: cb.AccountSid, Call: cb.CallSid,
		Status: cb.RecordingStatus, Source: cb.RecordingSource, Duration: cb.RecordingDuration,
		Late: cb.Late, Channels: cb.RecordingChannels, URL: cb.RecordingUrl, Fields: cb.Fields, Query: cb.Query,
		ReceivedAt: cb.ReceivedAt, RoutedAt: orNull(cb.RoutedAt), CallDetails: viewCall(cb.Call),
	}
}

func viewCall(c *callback.Call) *api.Call {
	if c == nil {
		return nil
	}
	return &api.Call{Known: c.Known, From: c.From, To: c.To, Direction: c.Direction, StartTime: orNull(c.StartTime), Problem: c.Problem}
}

func view(d *store.Delivery, why string) api.Delivery {
	return api.Delivery{
		ID: d.ID, Recording: d.Recording, Callback: d.CallbackID, Rule: d.Rule, Channel: d.Channel, Kind: d.Kind,
		To: d.To, Subject: d.Subject, State: string(d.State), Why: why, Attempts: d.Attempts, NextAttemptAt: orNull(d.NextAttemptAt),
		LastError: d.LastError, ProviderID: d.ProviderID, CreatedAt: d.CreatedAt, FinishedAt: orNull(d.FinishedAt),
		Receipt: d.Receipt, ReceiptAt: orNull(d.ReceiptAt),
	}
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// next returns the cursor behind a full page of n rows.
func next(n int, f store.Filter, id func(int) int64) string {
	if n < f.Limit {
		return ""
	}
	return strconv.FormatInt(id(n-1), 10)
}

func deliveryID(p httprouter.Params) (int64, error) {
	id, err := strconv.ParseInt(p.ByName("id"), 10, 64)
	if err != nil || id <= 0 {
		return 0, fmt.Errorf("delivery %q: %w", p.ByName("id"), store.ErrNotFound)
	}
	return id, nil
}

// filter puts the query parameters into f. Those in known are allowed.
func filter(r *http.Request, f store.Filter, known ...string) (store.Filter, error) {
	for name, values := range r.URL.Query() {
		if !slices.Contains(known, name) {
			return f, &api.RequestError{Text: fmt.Sprintf("%s: unknown parameter (have %s)", name, strings.Join(known, ", "))}
		}
		if len(values) != 1 {
			return f, &api.RequestError{Text: name + ": given more than once"}
		}
		if values[0] == "" {
			continue
		}
		if err := set(&f, name, values[0]); err != nil {
			return f, err
		}
	}
	return f, nil
}

func set(f *store.Filter, name, value string) error {
	var err error
	switch name {
	case "recording":
		f.Recording = value
	case "channel":
		f.Channel = value
	case "to":
		f.To = value
	case "state":
		f.State = store.State(value)
		if !slices.Contains(store.States, f.State) {
			return &api.RequestError{Text: fmt.Sprintf("state: no state %q (have %v)", value, store.States)}
		}
	case "limit":
		f.Limit, err = strconv.Atoi(value)
		if err != nil || f.Limit < 1 || f.Limit > api.MaxLimit {
			return &api.RequestError{Text: fmt.Sprintf("limit: want a number from 1 to %d", api.MaxLimit)}
		}
	case "after":
		f.After, err = strconv.ParseInt(value, 10, 64)
		if err != nil || f.After < 1 {
			return &api.RequestError{Text: "after: want what the page before gave as next"}
		}
	case "since":
		if f.Since, err = since(value); err != nil {
			return &api.RequestError{Text: "since: want a time such as 2006-01-02T15:04:05Z or a duration such as 24h or 7d"}
		}
	}
	return nil
}

// since reads a point in time, or how long ago it was.
func since(value string) (time.Time, error) {
	if d, err := config.ParseDuration(value); err == nil && d > 0 {
		return time.Now().Add(-d), nil
	}
	return time.Parse(time.RFC3339, value)
}
