package signalwire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// recordingsPage is how many recordings a page is asked for. So many take a
	// fifth of what an answer may have.
	recordingsPage = 200
	// maxRecordingPages bounds one listing of recordings.
	maxRecordingPages = 1000
	// maxPatience bounds how long a listing waits where the API asks it to slow
	// down, and maxSlower how often before one page.
	maxPatience = 30 * time.Second
	maxSlower   = 3
	// maxLength bounds what a recording may be said to last.
	maxLength = 10 * 366 * 24 * time.Hour
)

// ErrManyPages says that a listing has more pages than are read.
var ErrManyPages = fmt.Errorf("%w: it has more than %d pages", ErrIncomplete, maxRecordingPages)

// Recording is a recording as the API describes it. What it says is not checked.
type Recording struct {
	Sid        string
	Account    string
	Call       string // empty for that of a conference
	Conference string // empty for that of a call
	Status     string // in small letters, e.g. in-progress, processing, completed, absent, failed
	Source     string // e.g. DialVerb
	Channels   string
	ErrorCode  string // empty where nothing went wrong
	StartTime  string // as the API writes it

	Length  time.Duration // 0 where the API did not say
	Created time.Time     // zero where the API did not say
	Ended   time.Time     // or later; zero where the API did not say
}

// Recordings is a page of a listing.
type Recordings struct {
	List []Recording
	At   time.Time // when the page was made, by the API's clock
}

// Recordings lists the recordings since that time page by page, newest first,
// until its consumer has seen enough: the API may list older ones too. After an
// error, which is an [Error], a [NoAnswerError] or [ErrIncomplete], nothing more
// comes.
//
// Where the API asks to slow down and not to wait for long, the listing waits.
func (c *Client) Recordings(ctx context.Context, since time.Time) iter.Seq2[Recordings, error] {
	return func(yield func(Recordings, error) bool) {
		next := c.recordingsSince(since)
		for range maxRecordingPages {
			page, more, err := c.recordingsPage(ctx, next)
			if err != nil {
				yield(Recordings{}, fmt.Errorf("list recordings: %w", err))
				return
			}
			if !yield(page, nil) || more == "" {
				return
			}
			if more == next {
				yield(Recordings{}, fmt.Errorf("list recordings: %w: a page links to itself", ErrIncomplete))
				return
			}
			next = more
		}
		yield(Recordings{}, fmt.Errorf("list recordings: %w", ErrManyPages))
	}
}

// recordingsSince returns where the listing begins. The API filters by days.
func (c *Client) recordingsSince(since time.Time) string {
	query := url.Values{"PageSize": {strconv.Itoa(recordingsPage)}, "DateCreated>": {since.UTC().Format(time.DateOnly)}}
	return c.resource("Recordings.json") + "?" + query.Encode()
}

// recordingsPage reads one page, and returns the path and query of the next.
func (c *Client) recordingsPage(ctx context.Context, pathAndQuery string) (page Recordings, next string, err error) {
	answer, at, err := c.patiently(ctx, pathAndQuery)
	if err != nil {
		return page, "", err
	}
	list, next, err := readRecordings(answer)
	if err == nil && next != "" {
		next, err = c.follow(next)
	}
	return Recordings{list, at}, next, err
}

// patiently makes a GET, again where the API asks to slow down.
func (c *Client) patiently(ctx context.Context, pathAndQuery string) (answer []byte, at time.Time, err error) {
	for slower := 0; ; slower++ {
		answer, at, err = c.do(ctx, http.MethodGet, pathAndQuery, nil)
		e, refused := errors.AsType[*Error](err)
		if !refused || !e.slowDown() || e.RetryAfter > maxPatience || slower == maxSlower {
			return answer, at, err
		}
		wait := time.NewTimer(max(e.RetryAfter, time.Second))
		select {
		case <-ctx.Done():
			wait.Stop()
			return nil, at, err
		case <-wait.C:
		}
	}
}

// slowDown reports whether the API answers too many requests at once.
func (e *Error) slowDown() bool {
	return e.Status == http.StatusTooManyRequests || e.Code == 20429 || e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0
}

// Recording returns one recording, and what the API's clock says. That there is
// none is an [Error] with the status 404; else an error is an [Error], a
// [NoAnswerError] or [ErrNoRecording].
func (c *Client) Recording(ctx context.Context, sid string) (r Recording, at time.Time, err error) {
	answer, at, err := c.do(ctx, http.MethodGet, c.resource("Recordings/"+url.PathEscape(sid)+".json"), nil, sid)
	if err != nil {
		return r, at, fmt.Errorf("look up a recording: %w", err)
	}
	var found recording
	if json.Unmarshal(answer, &found) != nil || found.Sid == "" {
		return r, at, fmt.Errorf("look up a recording: %w", ErrNoRecording)
	}
	return found.read(), at, nil
}

// ErrNoRecording says that the API answered with success and described no
// recording.
var ErrNoRecording = errors.New("the answer describes no recording")

// plainID is what ids are made of in the paths of what is deleted. A callback's
// may be anything, and .. would be all recordings, or the account.
var plainID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

// DeleteRecording deletes one of an account's recordings, for ever. That there is
// none is no error: it may have been deleted before. Else an error is an [Error],
// a [NoAnswerError], or that such ids are not deleted.
func (c *Client) DeleteRecording(ctx context.Context, account, sid string) error {
	if !plainID.MatchString(account) || !plainID.MatchString(sid) {
		return errors.New("delete a recording: its id, or its account's, is not like an id")
	}
	path := strings.TrimPrefix(c.RecordingURL(account, sid), c.base.String())
	_, _, err := c.do(ctx, http.MethodDelete, path, nil, sid)
	if e, ok := errors.AsType[*Error](err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete a recording: %w", err)
	}
	return nil
}

// RecordingURL is where the audio of one of an account's recordings is.
func (c *Client) RecordingURL(account, sid string) string {
	return c.base.String() + "/api/laml/2010-04-01/Accounts/" + url.PathEscape(account) + "/Recordings/" + url.PathEscape(sid)
}

// recording is a recording in the API's JSON.
type recording struct {
	Sid         loose `json:"sid"`
	Account     loose `json:"account_sid"`
	Call        loose `json:"call_sid"`
	Conference  loose `json:"conference_sid"`
	Status      loose `json:"status"`
	Source      loose `json:"source"`
	Channels    loose `json:"channels"`
	Duration    loose `json:"duration"`
	ErrorCode   loose `json:"error_code"`
	StartTime   loose `json:"start_time"`
	DateCreated loose `json:"date_created"`
	DateUpdated loose `json:"date_updated"`
}

// read reads what the API says loosely.
func (r *recording) read() Recording {
	out := Recording{
		Sid: string(r.Sid), Account: string(r.Account), Call: string(r.Call), Conference: string(r.Conference),
		Status: strings.ToLower(string(r.Status)), Source: string(r.Source), Channels: string(r.Channels),
		ErrorCode: string(r.ErrorCode), StartTime: string(r.StartTime),
		Created: readTime(string(r.DateCreated)),
	}
	seconds, err := strconv.ParseFloat(string(r.Duration), 64)
	if err == nil && seconds > 0 && seconds < maxLength.Seconds() {
		out.Length = time.Duration(seconds * float64(time.Second))
	}
	// A pause is no part of the length, and a change may come long after the end.
	// Where nothing else is said, a recording counts as created when it began; some
	// are created when they end.
	updated, began := readTime(string(r.DateUpdated)), readTime(out.StartTime)
	if began.IsZero() && updated.IsZero() {
		began = out.Created
	}
	if !began.IsZero() {
		began = began.Add(out.Length)
	}
	out.Ended = slices.MaxFunc([]time.Time{out.Created, updated, began}, time.Time.Compare)
	return out
}

// readRecordings reads one page of a listing. An error is [ErrIncomplete].
func readRecordings(answer []byte) (list []Recording, next string, err error) {
	var page struct {
		Recordings  *[]recording `json:"recordings"`
		NextPageURI *string      `json:"next_page_uri"`
	}
	if json.Unmarshal(answer, &page) != nil || page.Recordings == nil {
		return nil, "", fmt.Errorf("%w: a page is no list", ErrIncomplete)
	}
	for _, r := range *page.Recordings {
		list = append(list, r.read())
	}
	if page.NextPageURI != nil {
		next = *page.NextPageURI
	}
	return list, next, nil
}
