package peers

import (
	"net/http"
	"strings"
	"time"
)

// Call is a call that a SignalWire API describes.
type Call struct {
	Sid       string
	From, To  string
	Direction string    // e.g. inbound
	Began     time.Time // zero where it has not been answered
}

// Ring makes the API know calls.
func (s *SignalWire) Ring(calls ...Call) {
	for _, c := range calls {
		s.calls.Store(c.Sid, c)
	}
}

// describeCall answers with what is known of a call.
func (s *SignalWire) describeCall(w http.ResponseWriter, r *http.Request) error {
	sid, isJSON := strings.CutSuffix(r.PathValue("file"), ".json")
	if err := s.config.Hook.ask(r.Context(), DescribeCall, sid); err != nil {
		return err
	}
	known, ok := s.calls.Load(sid)
	if !ok || !isJSON {
		return &APIError{Status: http.StatusNotFound, Code: 20404, Message: "The requested resource was not found"}
	}
	c := known.(Call)
	var began any
	if !c.Began.IsZero() {
		began = c.Began.UTC().Format(time.RFC1123Z)
	}
	answer(w, http.StatusOK, map[string]any{
		"sid": c.Sid, "account_sid": s.config.Project, "parent_call_sid": nil, "from": c.From, "to": c.To, "direction": c.Direction,
		"start_time": began, "duration": "42", "status": "completed",
		"uri": "/api/laml/2010-04-01/Accounts/" + s.config.Project + "/Calls/" + c.Sid + ".json",
	})
	return nil
}
