package signalwire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	pageSize = 50
	// maxPages bounds one listing.
	maxPages = 20
)

var (
	// ErrNoSid says that the API answered with success and named no message.
	ErrNoSid = errors.New("the answer names no message")
	// ErrIncomplete says that a listing could not be read to its end.
	ErrIncomplete = errors.New("the list cannot be read to its end")
)

// Message is a text message to be sent.
type Message struct {
	To   string // E.164
	From string // E.164; or MessagingService names where it comes from

	MessagingService string
	Body             string // at most 1600 characters

	StatusCallback string // where receipts are to be posted; empty for none
}

// SentMessage is a text message that the API accepted.
type SentMessage struct {
	Sid    string
	Status string // e.g. queued, sent, delivered, undelivered, failed
	Body   string
	At     time.Time // when it was accepted; zero where the API did not say
}

// SendMessage hands a text message over and returns its id. The error is an
// [Error], a [NoAnswerError] or [ErrNoSid].
//
// The API does not recognise a repeat: where the request may have been taken,
// look with [Client.Messages] before sending again.
func (c *Client) SendMessage(ctx context.Context, m Message) (sid string, err error) {
	form := url.Values{"To": {m.To}, "Body": {m.Body}}
	if m.MessagingService != "" {
		form.Set("MessagingServiceSid", m.MessagingService)
	} else {
		form.Set("From", m.From)
	}
	if m.StatusCallback != "" {
		form.Set("StatusCallback", m.StatusCallback)
	}
	answer, _, err := c.do(ctx, http.MethodPost, c.resource("Messages"), form, m.Body)
	if err != nil {
		return "", fmt.Errorf("send a text message: %w", err)
	}
	var sent struct {
		Sid loose `json:"sid"`
	}
	if json.Unmarshal(answer, &sent) != nil || sent.Sid == "" {
		return "", fmt.Errorf("send a text message: %w", ErrNoSid)
	}
	return string(sent.Sid), nil
}

// Messages returns the text messages sent to a number within that time up to
// now, newest first, from a number unless that is empty. It is all of them, or
// the error is an [Error], a [NoAnswerError] or [ErrIncomplete]. A message without
// a time counts as sent within it.
//
// Now is what the API's clock says, by which its messages are dated: the clock of
// this machine may be wrong.
//
// The API lists the newest first, so a page of older ones only is the last one
// read.
func (c *Client) Messages(ctx context.Context, to, from string, within time.Duration) ([]SentMessage, error) {
	query := url.Values{"To": {to}, "PageSize": {strconv.Itoa(pageSize)}}
	if from != "" {
		query.Set("From", from)
	}
	var found []SentMessage
	var since time.Time
	next := c.resource("Messages.json") + "?" + query.Encode()
	for range maxPages {
		answer, at, err := c.do(ctx, http.MethodGet, next, nil)
		if err != nil {
			return nil, fmt.Errorf("list text messages: %w", err)
		}
		if since.IsZero() {
			since = at.Add(-within)
		}
		page, nextPage, err := readPage(answer)
		if err != nil {
			return nil, fmt.Errorf("list text messages: %w", err)
		}
		older := len(page) > 0 // than since, all of them
		for _, m := range page {
			if m.At.IsZero() || !m.At.Before(since) {
				found = append(found, m)
				older = false
			}
		}
		if nextPage == "" || older {
			return found, nil
		}
		if next, err = c.follow(nextPage); err != nil {
			return nil, fmt.Errorf("list text messages: %w", err)
		}
	}
	return nil, fmt.Errorf("list text messages: %w: it has more than %d pages", ErrIncomplete, maxPages)
}

// readPage reads one page of a listing. An error is [ErrIncomplete].
func readPage(answer []byte) (page []SentMessage, next string, err error) {
	var list struct {
		Messages *[]struct {
			Sid         loose `json:"sid"`
			Status      loose `json:"status"`
			Body        loose `json:"body"`
			DateCreated loose `json:"date_created"`
		} `json:"messages"`
		NextPageURI *string `json:"next_page_uri"`
	}
	if json.Unmarshal(answer, &list) != nil || list.Messages == nil {
		return nil, "", fmt.Errorf("%w: a page is no list", ErrIncomplete)
	}
	for _, m := range *list.Messages {
		page = append(page, SentMessage{
			Sid:    string(m.Sid),
			Status: string(m.Status),
			Body:   string(m.Body),
			At:     readTime(string(m.DateCreated)),
		})
	}
	if list.NextPageURI != nil {
		next = *list.NextPageURI
	}
	return page, next, nil
}

// readTime reads a time as the API writes it (RFC 2822), or its newer
// endpoints do (RFC 3339). Another form is the zero time.
func readTime(s string) time.Time {
	for _, layout := range []string{time.RFC1123Z, time.RFC3339, time.RFC1123} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}

// follow returns path and query of a link to the next page. The credentials go
// with the request, so the link must stay in this API.
func (c *Client) follow(link string) (pathAndQuery string, err error) {
	u, err := url.Parse(link)
	if err != nil ||
		u.Host != "" && (u.Host != c.base.Host || u.Scheme != c.base.Scheme) ||
		!strings.HasPrefix(u.EscapedPath(), "/api/") || strings.Contains(u.Path, "..") {
		return "", fmt.Errorf("%w: the link to the next page leads elsewhere", ErrIncomplete)
	}
	return (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery}).String(), nil
}
