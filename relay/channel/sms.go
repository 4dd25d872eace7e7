package channel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ringpost/relay/signalwire"
)

// LookAfter is how long the provider may take to accept a text message that it
// was handed, and to list it. It is longer than a request may take.
const LookAfter = 15 * time.Second

const (
	// slowDown is how long the channel pauses where the provider asks for a
	// pause and not for how long.
	slowDown = 10 * time.Second
	// lookBack is how much further back an earlier attempt is looked for than it
	// can have been made: the provider says when by the second, and two of its
	// machines may differ.
	lookBack = time.Minute
	// findTime bounds looking for an earlier attempt, which may take many
	// requests.
	findTime = 20 * time.Second
)

// SMSConfig says which project sends text messages, and as whom.
type SMSConfig struct {
	Client *signalwire.Client // is closed with the channel

	// From is the sender's number in E.164, or MessagingService the id of what
	// chooses one.
	From             string
	MessagingService string

	// Receipts returns where the provider is to post what becomes of a delivery;
	// nil asks for no receipts.
	Receipts func(delivery int64) string
}

// SMS is the channel that hands text messages to SignalWire.
type SMS struct {
	client           *signalwire.Client
	from             string
	messagingService string
	receipts         func(delivery int64) string
}

// NewSMS returns an SMS channel.
func NewSMS(config SMSConfig) *SMS {
	return &SMS{client: config.Client, from: config.From, messagingService: config.MessagingService, receipts: config.Receipts}
}

// Send hands m to SignalWire and returns its id there. SignalWire does not
// recognise a repeat, so where an earlier attempt's outcome is not known, Send
// looks for its message first.
func (s *SMS) Send(ctx context.Context, m *Message) (providerID string, err error) {
	if m.UnsureFor > 0 {
		sid, err := s.find(ctx, m)
		if err != nil || sid != "" {
			return sid, err
		}
	}
	message := signalwire.Message{
		To:               m.To,
		From:             s.from,
		MessagingService: s.messagingService,
		Body:             m.Text,
	}
	if s.receipts != nil && m.Delivery != 0 {
		message.StatusCallback = s.receipts(m.Delivery)
	}
	sid, err := s.client.SendMessage(ctx, message)
	if err != nil {
		return "", classifySend(ctx, err)
	}
	return sid, nil
}

// Close ends idle connections.
func (s *SMS) Close() error {
	s.client.Close()
	return nil
}

// find returns the id of the message that an earlier attempt at m made, or
// nothing if none did.
func (s *SMS) find(ctx context.Context, m *Message) (sid string, err error) {
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	from := s.from
	if s.messagingService != "" {
		from = ""
	}
	sent, err := s.client.Messages(ctx, m.To, from, m.UnsureFor+lookBack)
	if err != nil {
		return "", classifyLookup(ctx, err)
	}
	for _, candidate := range sent {
		if sameText(candidate.Body, m.Text) {
			return candidate.Sid, nil
		}
	}
	for _, candidate := range sent {
		if candidate.Body == "" { // as where a project has bodies removed
			return "", Unknown(errors.New("look for an earlier attempt: the list of messages has no texts"))
		}
	}
	return "", nil
}

// sameText compares without regard to white space, which is not always kept.
func sameText(a, b string) bool {
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}

// meaning is what the API's codes mean, as far as they are known.
var meaning = map[int]Class{
	// The recipient, or this text or sender to it; 21610 has opted out.
	21211: Refused, 21214: Refused, 21217: Refused, 21219: Refused, 21401: Refused, 21408: Refused,
	21601: Refused, 21602: Refused, 21603: Refused, 21604: Refused, 21606: Refused, 21610: Refused,
	21612: Refused, 21614: Refused, 21617: Refused, 21717: Refused,
	// The project: its credentials, address and balance, and ours.
	20003: ChannelDown, 20404: ChannelDown, 21609: ChannelDown, 30002: ChannelDown,
	// Too many at once.
	20429: Temporary, 21611: Temporary, 30022: Temporary,
}

// classifySend says what a failed SendMessage means.
//
// A 4xx whose code is not known is tried again: to take it for final would lose
// the message, to repeat it costs little. A 5xx with a code is the API's own
// and says that nothing was accepted; one without may come from a gateway that
// no longer knows, except for 503, with which it did not pass the request on.
func classifySend(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*signalwire.NoAnswerError](err); ok {
		if e.Sent {
			return Unsure(err)
		}
		return downUnlessCancelled(ctx, err)
	}
	e, ok := errors.AsType[*signalwire.Error](err)
	if !ok {
		return Unsure(err) // success, but of what?
	}
	if known := classifyKnown(e, err); known != nil {
		return known
	}
	switch {
	case e.Status/100 == 4:
		return err
	case e.Status/100 == 5 && e.Code == 0 && e.Status != http.StatusServiceUnavailable:
		return Unsure(err)
	}
	return Down(err)
}

// classifyLookup says what it means that an earlier attempt could not be looked
// for: where that will not change, a person decides.
func classifyLookup(ctx context.Context, err error) error {
	err = fmt.Errorf("look for an earlier attempt: %w", err)
	if _, ok := errors.AsType[*signalwire.NoAnswerError](err); ok {
		return downUnlessCancelled(ctx, err)
	}
	e, ok := errors.AsType[*signalwire.Error](err)
	if !ok {
		return Unknown(err)
	}
	if known := classifyKnown(e, err); known != nil && ClassOf(known) != Refused {
		return known
	}
	if e.Status/100 == 5 {
		return Down(err)
	}
	return Unknown(err)
}

// classifyKnown returns err with the meaning of its code or status, or nil where
// neither is known.
func classifyKnown(e *signalwire.Error, err error) error {
	class, known := meaning[e.Code]
	switch {
	case known && class == Refused:
		return Permanent(err)
	case known && class == Temporary, e.Status == http.StatusTooManyRequests:
		return RetryAfter(cmp.Or(e.RetryAfter, slowDown), err)
	case known:
		return Down(err)
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusProxyAuthRequired:
		return Down(err)
	}
	return nil
}
