package page

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/callback"
	"ringpost/relay/route"
	"ringpost/relay/rules"
)

// trial is a callback that somebody makes up to see what the rules would do, and
// what they would. Nothing of it is stored or sent.
type trial struct {
	Status, Source, Duration, Query, Fields, Call string // as the form has them
	Late                                          bool

	Statuses []string
	Sources  []string
	Problem  string // why there is no result
	Result   *route.Explanation
}

func newTrial() trial {
	return trial{Status: "completed", Source: "DialVerb", Duration: "94", Statuses: callback.AllStatuses,
		Sources: rules.Sources}
}

// tryStored shows the form with what a stored callback held, and what the rules of
// today make of it.
func (p *Page) tryStored(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	callbacks, err := p.callbacks(r.Context(), params)
	if err != nil {
		return err
	}
	t := newTrial()
	t.hold(callbacks[0].Callback)
	// Not what the form makes of it: a field of one line does not hold everything.
	result := p.service.Plan().Explain(callbacks[0].Callback)
	t.Result = &result
	return p.showTrial(w, r, t)
}

// try shows what the rules make of the callback that the form describes.
func (p *Page) try(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	if err := r.ParseForm(); err != nil {
		return badRequest("The form could not be read. Its text may be too long: 64 KiB is the most.")
	}
	t := newTrial()
	t.Status, t.Source, t.Duration = r.PostForm.Get("status"), strings.TrimSpace(r.PostForm.Get("source")), strings.TrimSpace(r.PostForm.Get("duration"))
	t.Query, t.Fields = strings.TrimSpace(r.PostForm.Get("query")), r.PostForm.Get("fields")
	t.Call, t.Late = r.PostForm.Get("call"), r.PostForm.Get("late") != ""
	t.run(p.service.Plan())
	return p.showTrial(w, r, t)
}

func (p *Page) showTrial(w http.ResponseWriter, r *http.Request, t trial) error {
	list, err := p.ruleList(r.Context())
	if err != nil {
		return err
	}
	list.Trial = t
	status := http.StatusOK
	if t.Problem != "" {
		status = http.StatusBadRequest
	}
	p.show(w, r, status, "rules", "Rules", list)
	return nil
}

// hold fills the form with what cb holds.
func (t *trial) hold(cb *callback.Callback) {
	t.Status, t.Source, t.Duration = cb.RecordingStatus, cb.RecordingSource, strconv.Itoa(cb.RecordingDuration)
	query := make(url.Values)
	for name, value := range cb.Query {
		query.Set(name, value)
	}
	t.Query = query.Encode()
	lines := []string{"AccountSid=" + cb.AccountSid, "RecordingSid=" + cb.RecordingSid}
	for _, name := range []string{"CallSid", "RecordingUrl", "RecordingChannels"} {
		if value, ok := cb.Field(name); ok {
			lines = append(lines, name+"="+value)
		}
	}
	for _, other := range pairs(cb.Fields) {
		lines = append(lines, other.Name+"="+other.Value)
	}
	t.Fields = strings.Join(lines, "\n")
	t.Late = cb.Late
	if c := cb.Call; c != nil && c.Known {
		lines = []string{"From=" + c.From, "To=" + c.To, "Direction=" + c.Direction}
		if !c.StartTime.IsZero() {
			lines = append(lines, "StartTime="+c.StartTime.Format(time.RFC3339))
		}
		t.Call = strings.Join(lines, "\n")
	}
}

// run asks plan what it makes of the callback, or says what is wrong with it.
func (t *trial) run(plan *route.Plan) {
	cb, err := t.callback()
	if err != nil {
		t.Problem = err.Error()
		return
	}
	result := plan.Explain(cb)
	t.Result = &result
}

func (t *trial) callback() (*callback.Callback, error) {
	fields := map[string]string{"RecordingStatus": t.Status, "RecordingSource": t.Source}
	if t.Duration != "" {
		fields["RecordingDuration"] = t.Duration
	}
	if err := readLines(t.Fields, fields); err != nil {
		return nil, fmt.Errorf("other fields: %w", err)
	}
	values, err := url.ParseQuery(strings.TrimPrefix(t.Query, "?"))
	if err != nil {
		return nil, fmt.Errorf("query: want what stands behind the question mark of the callback's URL, such as agent=alice")
	}
	query := make(map[string]string)
	for name := range values {
		query[name] = strings.Join(values[name], ", ")
	}
	cb, err := route.Sample(fields, query, "", time.Now())
	if err != nil {
		return nil, err
	}
	cb.Late = t.Late
	said := make(map[string]string)
	if err := readLines(t.Call, said); err != nil {
		return nil, fmt.Errorf("the call: %w", err)
	}
	if len(said) == 0 {
		return cb, nil
	}
	if cb.Call, err = callback.NewCall(said); err != nil {
		return nil, fmt.Errorf("the call: %w", err)
	}
	return cb, nil
}

// readLines reads a field from each line.
func readLines(text string, into map[string]string) error {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return errors.New("want a line for each, such as From=+15550100002")
		}
		into[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return nil
}

// Sent is the messages that would go out.
func (t trial) Sent() (list []route.Message) {
	for _, m := range t.Result.Deliveries {
		if m.Problem == "" && !m.Shadow {
			list = append(list, m)
		}
	}
	return list
}
