package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// answerTime bounds one request with its answer.
	answerTime = time.Minute
	// CatchUpTime bounds how long the provider is asked for recordings because a
	// person wants that.
	CatchUpTime = 5 * time.Minute
	// maxAnswer bounds an answer, in bytes. A thousand callbacks may be 64 MB.
	maxAnswer = 128 << 20
)

// Client asks the admin listener of a running service. Its methods may be called
// at once.
type Client struct {
	base           string // without a slash at its end
	user, password string
	http           *http.Client
}

// NewClient returns a client for the admin listener at server, a URL or
// host:port. user may be empty. It does not connect.
func NewClient(server, user, password string) (*Client, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("want the address of the admin listener, such as http://127.0.0.1:8081")
	}
	return &Client{base: strings.TrimSuffix(u.String(), "/"), user: user, password: password, http: &http.Client{
		Timeout: answerTime,
		// A redirect would take the password elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Error is an answer of the service that is not a success.
type Error struct {
	Status int
	Text   string // what the service says
}

func (e *Error) Error() string { return e.Text }

// Callbacks returns a page of callbacks. The query is that of GET /api/callbacks.
func (c *Client) Callbacks(ctx context.Context, query url.Values) (page Callbacks, err error) {
	return page, c.get(ctx, "/api/callbacks", query, &page)
}

// Deliveries returns a page of deliveries. The query is that of GET
// /api/deliveries.
func (c *Client) Deliveries(ctx context.Context, query url.Values) (page Deliveries, err error) {
	return page, c.get(ctx, "/api/deliveries", query, &page)
}

// Delivery returns one delivery.
func (c *Client) Delivery(ctx context.Context, id int64) (d Delivery, err error) {
	return d, c.get(ctx, deliveryPath(id, ""), nil, &d)
}

// Retry makes a delivery due at once.
func (c *Client) Retry(ctx context.Context, id int64) (d Delivery, err error) {
	return d, c.post(ctx, deliveryPath(id, "/retry"), nil, &d)
}

// Cancel ends a delivery that waits.
func (c *Client) Cancel(ctx context.Context, id int64) (d Delivery, err error) {
	return d, c.post(ctx, deliveryPath(id, "/cancel"), nil, &d)
}

// Revoke makes the link in what a delivery says open nothing any more.
func (c *Client) Revoke(ctx context.Context, id int64) (d Delivery, err error) {
	return d, c.post(ctx, deliveryPath(id, "/revoke"), nil, &d)
}

// RetryAll makes all deliveries due at once that a filter finds, which must not
// be empty: dead ones unless it says otherwise.
func (c *Client) RetryAll(ctx context.Context, filter url.Values) (r Retried, err error) {
	return r, c.post(ctx, "/api/deliveries/retry", filter, &r)
}

// Trace returns one callback with what was made of it.
func (c *Client) Trace(ctx context.Context, id int64) (t Trace, err error) {
	return t, c.get(ctx, "/api/callbacks/"+strconv.FormatInt(id, 10), nil, &t)
}

// CatchUp asks the provider for recordings that ended since then, a time or how
// long ago, and treats those of which no callback came as received late.
func (c *Client) CatchUp(ctx context.Context, since string) (found CaughtUp, err error) {
	patient := *c
	patient.http = new(http.Client)
	*patient.http = *c.http
	patient.http.Timeout = CatchUpTime + answerTime
	return found, patient.post(ctx, "/api/catch-up", url.Values{"since": {since}}, &found)
}

// Channels returns the channels.
func (c *Client) Channels(ctx context.Context) (list Channels, err error) {
	return list, c.get(ctx, "/api/channels", nil, &list)
}

// Pause has a channel send nothing until it is resumed.
func (c *Client) Pause(ctx context.Context, channel string) (ch Channel, err error) {
	return ch, c.post(ctx, "/api/channels/"+url.PathEscape(channel)+"/pause", nil, &ch)
}

// Resume ends a channel's pause.
func (c *Client) Resume(ctx context.Context, channel string) (ch Channel, err error) {
	return ch, c.post(ctx, "/api/channels/"+url.PathEscape(channel)+"/resume", nil, &ch)
}

// Replay returns what the rules in force make of the last callbacks, at most that
// many.
func (c *Client) Replay(ctx context.Context, limit int) (r Replay, err error) {
	return r, c.get(ctx, "/api/replay", url.Values{"limit": {strconv.Itoa(limit)}}, &r)
}

func deliveryPath(id int64, op string) string {
	return "/api/deliveries/" + strconv.FormatInt(id, 10) + op
}

func (c *Client) get(ctx context.Context, path string, query url.Values, into any) error {
	return c.do(ctx, http.MethodGet, path, query, into)
}

func (c *Client) post(ctx context.Context, path string, query url.Values, into any) error {
	return c.do(ctx, http.MethodPost, path, query, into)
}

// do makes one request and reads its answer into into. The error is an [*Error]
// where the service has answered.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, nil)
	if err != nil {
		return err
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the query
		}
		return fmt.Errorf("no answer from %s: %w (is ringpost serve running there?)", c.base, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	case len(answer) > maxAnswer:
		return fmt.Errorf("the answer of %s is longer than %d MB", c.base, maxAnswer>>20)
	case resp.StatusCode != http.StatusOK:
		return newError(resp.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("the answer of %s is not what Ringpost says: %w", c.base, err)
	}
	return nil
}

// newError reads an answer that is not a success: JSON of the API's, or a line.
func newError(status int, answer []byte) *Error {
	var said struct {
		Error string `json:"error"`
	}
	e := &Error{Status: status}
	line, _, _ := bytes.Cut(bytes.TrimSpace(answer), []byte("\n"))
	switch {
	case status == http.StatusUnauthorized:
		e.Text = "the service wants a user name and a password: set RINGPOST_USER and RINGPOST_PASSWORD to those of an [[admin.user]]"
	case json.Unmarshal(answer, &said) == nil && said.Error != "":
		e.Text = said.Error
	case len(line) > 0 && len(line) <= 200:
		e.Text = fmt.Sprintf("%s (HTTP status %d)", line, status)
	default:
		e.Text = fmt.Sprintf("HTTP status %d", status)
	}
	return e
}
