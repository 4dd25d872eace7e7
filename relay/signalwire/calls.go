package signalwire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"ringpost/relay/callback"
)

// ErrNoCall says that the API answered with success and described no call, or
// another one.
var ErrNoCall = errors.New("the answer does not describe the call")

// Call returns what the API says of a call. That there is none is an [Error] with
// the status 404; else an error is an [Error], a [NoAnswerError] or [ErrNoCall].
func (c *Client) Call(ctx context.Context, sid string) (*callback.Call, error) {
	answer, _, err := c.do(ctx, http.MethodGet, c.resource("Calls/"+url.PathEscape(sid)+".json"), nil, sid)
	if err != nil {
		return nil, fmt.Errorf("look up a call: %w", err)
	}
	var found struct {
		Sid       loose `json:"sid"`
		From      loose `json:"from"`
		To        loose `json:"to"`
		Direction loose `json:"direction"`
		StartTime loose `json:"start_time"`
	}
	if json.Unmarshal(answer, &found) != nil || string(found.Sid) != sid {
		return nil, fmt.Errorf("look up a call: %w", ErrNoCall)
	}
	call := &callback.Call{
		Known: true, From: strings.TrimSpace(string(found.From)), To: strings.TrimSpace(string(found.To)),
		Direction: strings.ToLower(string(found.Direction)), StartTime: readTime(string(found.StartTime)).UTC(),
	}
	if err := callback.CheckCall(call); err != nil {
		return nil, fmt.Errorf("look up a call: %w: %w", ErrNoCall, err)
	}
	return call, nil
}
