// Package signalwire speaks SignalWire's REST API (the one compatible with
// Twilio's): it sends text messages and lists those sent (messages.go), lists and
// deletes recordings (recordings.go), and looks up calls (calls.go). Its answers
// are read loosely, because they differ in detail from what is documented; its
// errors say whether a request can have had an effect (errors.go) and hold nothing
// that must not be logged (redact.go).
package signalwire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// requestTime bounds one request with its answer.
	requestTime = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
	// idleTime is how long a connection is kept. It is shorter than servers
	// keep theirs: a request that meets a closing connection may or may not
	// have been taken, and a POST cannot just be sent again.
	idleTime = 20 * time.Second
)

// Config says which project of which API to use.
type Config struct {
	APIURL  string // e.g. https://example.signalwire.com
	Project string
	Token   string

	// Transport makes the connections; nil makes one of HTTP/1.1, where a
	// request either was written to a connection or was not.
	Transport http.RoundTripper
}

// Client is a client of the API. Its methods may be called at once.
type Client struct {
	base    *url.URL // without a slash at the end
	project string
	token   string
	http    *http.Client
}

// New returns a client. It does not connect.
func New(config Config) (*Client, error) {
	base, err := url.Parse(strings.TrimRight(config.APIURL, "/"))
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("the API's URL must be like https://example.signalwire.com")
	}
	transport := config.Transport
	if transport == nil {
		transport = newTransport()
	}
	return &Client{
		base:    base,
		project: config.Project,
		token:   config.Token,
		http: &http.Client{
			Transport: transport,
			// A redirect would take the credentials elsewhere, or turn a POST
			// into a GET.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Protocols = new(http.Protocols)
	t.Protocols.SetHTTP1(true)
	t.IdleConnTimeout = idleTime
	t.MaxIdleConnsPerHost = 16
	t.MaxResponseHeaderBytes = 64 << 10
	return t
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// resource returns the path of one of the project's resources.
func (c *Client) resource(name string) string {
	return "/api/laml/2010-04-01/Accounts/" + url.PathEscape(c.project) + "/" + name
}

// do makes one request of pathAndQuery, with a form as its body unless that is
// nil, and returns the body of a 2xx answer, and when it was made by the API's
// clock, or by ours where it does not say. Otherwise the error is an [Error]
// or a [NoAnswerError]. What is in private does not get into it.
func (c *Client) do(ctx context.Context, method, pathAndQuery string, form url.Values, private ...string) (answer []byte, at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	var written atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteHeaders: func() { written.Store(true) },
	})
	private = append(private, c.token)
	noAnswer := func(err error) error {
		return &NoAnswerError{Sent: written.Load(), reason: Redact(reason(ctx, err), private...)}
	}

	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base.String()+pathAndQuery, body)
	if err != nil {
		return nil, at, noAnswer(errors.New("the request's URL is not valid"))
	}
	req.SetBasicAuth(c.project, c.token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "ringpost")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, at, noAnswer(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case resp.StatusCode/100 != 2:
		return nil, at, newError(resp, answer, private) // as much of it as came
	case err != nil:
		return nil, at, noAnswer(fmt.Errorf("read the answer: %w", err))
	case len(answer) > maxAnswer:
		return nil, at, noAnswer(fmt.Errorf("the answer is longer than %d bytes", maxAnswer))
	}
	if at, err = http.ParseTime(resp.Header.Get("Date")); err != nil {
		at = time.Now()
	}
	return answer, at, nil
}

// reason says why there was no answer. The URL is not part of it: it names the
// project, and a recipient where messages are listed.
func reason(ctx context.Context, err error) string {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return "no answer in time"
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return err.Error()
}
