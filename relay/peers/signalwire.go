package peers

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

// SignalWireConfig says how a SignalWire API behaves.
type SignalWireConfig struct {
	Project, Token string // must be given by clients

	OnMessage func(SMS) // called for each message before it is answered; may be nil
	Hook      Hook      // may be nil
	Keep      int       // messages that it remembers and lists; 0 is a thousand

	ProtectMedia bool // recordings are for clients with the credentials only

	Receipts Receipts

	Now func() time.Time // its clock; nil is this machine's
}

// SMS is one text message that a SignalWire API accepted.
type SMS struct {
	Sid              string
	To               string
	From             string // empty where a messaging service was named
	MessagingService string
	Body             string
	StatusCallback   string // where receipts are to be posted; empty where none are wanted
	At               time.Time
}

// APIError is a refusal in the API's own form.
type APIError struct {
	Status     int    // HTTP's
	Code       any    // the API's: an int, or a string as some endpoints have it
	Message    string // to people
	RetryAfter string // the header; empty for none
}

func (e *APIError) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Message) }

// SignalWire is SignalWire's REST API on a loopback socket, as far as sending
// and listing text messages, their receipts, listing and playing recordings, and
// describing calls goes.
// Its methods may be called at once.
type SignalWire struct {
	URL string // without a slash at the end

	config     SignalWireConfig
	server     *http.Server
	accepted   journal[SMS]
	recordings sync.Map // the lengths by id
	listed     listing
	calls      sync.Map        // Call by id
	ctx        context.Context // ended with the API
	cancel     context.CancelFunc
	stopped    chan struct{}
}

// NewSignalWire starts an API on a port of its own.
func NewSignalWire(config SignalWireConfig) (*SignalWire, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start a SignalWire API: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &SignalWire{
		URL:      "http://" + listener.Addr().String(),
		config:   config,
		accepted: journal[SMS]{keep: config.Keep},
		ctx:      ctx,
		cancel:   cancel,
		stopped:  make(chan struct{}),
	}
	mux := http.NewServeMux()
	for _, path := range []string{"Messages", "Messages.json"} {
		mux.HandleFunc("POST /api/laml/2010-04-01/Accounts/{project}/"+path, s.authorized(s.send))
		mux.HandleFunc("GET /api/laml/2010-04-01/Accounts/{project}/"+path, s.authorized(s.list))
	}
	for _, path := range []string{"Recordings", "Recordings.json"} {
		mux.HandleFunc("GET /api/laml/2010-04-01/Accounts/{project}/"+path, s.authorized(s.listRecordings))
	}
	mux.HandleFunc("GET /api/laml/2010-04-01/Accounts/{project}/Recordings/{file}", s.recordingFile)
	mux.HandleFunc("DELETE /api/laml/2010-04-01/Accounts/{project}/Recordings/{file}", s.authorized(s.deleteRecording))
	mux.HandleFunc("GET /api/laml/2010-04-01/Accounts/{project}/Calls/{file}", s.authorized(s.describeCall))
	s.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(s.stopped)
		_ = s.server.Serve(listener)
	}()
	return s, nil
}

// Messages returns what was accepted, oldest first: as many as it keeps.
func (s *SignalWire) Messages() []SMS { return s.accepted.all() }

// Wait returns what was accepted, once that are n messages in all.
func (s *SignalWire) Wait(ctx context.Context, n int) ([]SMS, error) { return s.accepted.wait(ctx, n) }

// Close stops the API and cuts all connections.
func (s *SignalWire) Close() error {
	s.cancel()
	err := s.server.Close()
	<-s.stopped
	return err
}

// authorized lets requests with the right credentials through to next.
func (s *SignalWire) authorized(next func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		project, token, _ := r.BasicAuth()
		var err error
		if project != s.config.Project || r.PathValue("project") != project ||
			subtle.ConstantTimeCompare([]byte(token), []byte(s.config.Token)) == 0 {
			err = &APIError{Status: http.StatusUnauthorized, Code: 20003, Message: "Authentication Error - No credentials provided"}
		} else {
			err = next(w, r)
		}
		if err != nil {
			refuse(w, err)
		}
	}
}

// media lets requests for media through to next: all of them, unless they are
// protected.
func (s *SignalWire) media(next func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	if s.config.ProtectMedia {
		return s.authorized(next)
	}
	return func(w http.ResponseWriter, r *http.Request) {
		if err := next(w, r); err != nil {
			refuse(w, err)
		}
	}
}

// now is the time by the API's clock.
func (s *SignalWire) now() time.Time {
	if s.config.Now == nil {
		return time.Now()
	}
	return s.config.Now()
}

func (s *SignalWire) send(w http.ResponseWriter, r *http.Request) error {
	sms := SMS{
		Sid:              rand.Text(),
		To:               r.PostFormValue("To"),
		From:             r.PostFormValue("From"),
		MessagingService: r.PostFormValue("MessagingServiceSid"),
		Body:             r.PostFormValue("Body"),
		StatusCallback:   r.PostFormValue("StatusCallback"),
		At:               time.Now(),
	}
	err := s.config.Hook.ask(r.Context(), SendSMS, sms.To)
	switch {
	case err != nil && !errors.Is(err, ErrAcceptAndCut):
		return err
	case sms.To == "":
		return &APIError{Status: http.StatusBadRequest, Code: 21604, Message: "A 'To' phone number is required."}
	case sms.From == "" && sms.MessagingService == "":
		return &APIError{Status: http.StatusBadRequest, Code: 21603, Message: "A 'From' phone number is required."}
	case sms.Body == "":
		return &APIError{Status: http.StatusBadRequest, Code: 21602, Message: "Message body is required."}
	case utf8.RuneCountInString(sms.Body) > 1600:
		return &APIError{Status: http.StatusBadRequest, Code: 21617, Message: "The message body exceeds the 1600 character limit."}
	}
	s.accepted.add(sms)
	if s.config.OnMessage != nil {
		s.config.OnMessage(sms)
	}
	if s.config.Receipts.SigningKey != "" && sms.StatusCallback != "" {
		defer func() { go s.report(s.ctx, sms) }()
	}
	if err != nil {
		return err
	}
	answer(w, http.StatusCreated, resource(sms, "queued"))
	return nil
}

// list answers with one page, newest first.
func (s *SignalWire) list(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if err := s.config.Hook.ask(r.Context(), ListSMS, query.Get("To")); err != nil {
		return err
	}
	found := []map[string]any{} // an empty list is no null
	for _, sms := range slices.Backward(s.accepted.all()) {
		if to := query.Get("To"); to != "" && to != sms.To {
			continue
		}
		if from := query.Get("From"); from != "" && from != sms.From {
			continue
		}
		found = append(found, resource(sms, "sent"))
	}
	answer(w, http.StatusOK, page(r, "messages", found))
	return nil
}

// page is the page of a listing that r asks for.
func page(r *http.Request, name string, all []map[string]any) map[string]any {
	query := r.URL.Query()
	page, _ := strconv.Atoi(query.Get("Page"))
	size, _ := strconv.Atoi(query.Get("PageSize"))
	size = min(max(cmp.Or(size, 50), 1), 1000)
	begin := min(max(page, 0), len(all)) * size
	end := begin + size
	list := map[string]any{"page": page, "page_size": size, "uri": r.URL.RequestURI(), "next_page_uri": nil}
	if end < len(all) {
		query.Set("Page", strconv.Itoa(page+1))
		list["next_page_uri"] = (&url.URL{Path: r.URL.Path, RawQuery: query.Encode()}).String()
	}
	list[name] = all[min(begin, len(all)):min(end, len(all))]
	return list
}

// anySender is the number that a messaging service chooses.
const anySender = "+15550109999"

// resource is a message as the API shows it.
func resource(sms SMS, status string) map[string]any {
	return map[string]any{
		"sid":                   sms.Sid,
		"to":                    sms.To,
		"from":                  cmp.Or(sms.From, anySender),
		"messaging_service_sid": sms.MessagingService,
		"body":                  sms.Body,
		"status":                status,
		"direction":             "outbound-api",
		"num_segments":          1 + utf8.RuneCountInString(sms.Body)/153,
		"date_created":          sms.At.UTC().Format(time.RFC1123Z),
		"error_code":            nil,
		"error_message":         nil,
	}
}

// refuse answers with err, or cuts the connection where it asks for that.
func refuse(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*APIError](err)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	if e.RetryAfter != "" {
		w.Header().Set("Retry-After", e.RetryAfter)
	}
	answer(w, e.Status, map[string]any{
		"code":      e.Code,
		"message":   e.Message,
		"more_info": fmt.Sprintf("https://www.twilio.com/docs/errors/%v", e.Code),
		"status":    e.Status,
	})
}

func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
