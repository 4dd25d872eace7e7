package page

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/store"
)

func (p *Page) retry(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	return p.change(w, r, params, "retried", func(ctx context.Context, id int64) error {
		return p.service.Retry(ctx, id, asker(r))
	})
}

func (p *Page) cancel(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	return p.change(w, r, params, "cancelled", func(ctx context.Context, id int64) error {
		return p.service.Cancel(ctx, id, asker(r))
	})
}

func (p *Page) revoke(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	return p.change(w, r, params, "revoked", func(ctx context.Context, id int64) error {
		return p.service.Revoke(ctx, id, asker(r))
	})
}

// forward sends the same words to someone else too.
func (p *Page) forward(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	to := strings.TrimSpace(r.PostFormValue("to"))
	return p.change(w, r, params, "forwarded", func(ctx context.Context, id int64) error {
		if to == "" || len(to) > maxSearch {
			return badRequest("Say whom to send it to: a contact's name, or an address such as alice@example.com or +15550100001.")
		}
		_, err := p.service.Forward(ctx, id, to, asker(r))
		return err
	})
}

// change does something to a delivery, and goes back to its recording.
func (p *Page) change(w http.ResponseWriter, r *http.Request, params httprouter.Params, code string,
	do func(ctx context.Context, id int64) error) error {
	id, err := readID(params)
	if err != nil {
		return err
	}
	d, _, err := p.store.Delivery(r.Context(), id)
	if err != nil {
		return err
	}
	path := "/recordings/" + strconv.FormatInt(d.CallbackID, 10)
	if err := do(r.Context(), id); err != nil {
		return &returning{err, path, "Back to the recording"}
	}
	done(w, r, path, code)
	return nil
}

// message is the HTML of a delivery as it was sent, for a frame. It may hold
// what callers have written: nothing in it runs, and it can ask for nothing.
func (p *Page) message(w http.ResponseWriter, r *http.Request, params httprouter.Params) error {
	id, err := readID(params)
	if err != nil {
		return err
	}
	d, _, err := p.store.Delivery(r.Context(), id)
	if err != nil {
		return err
	}
	if d.HTML == "" {
		return store.ErrNotFound
	}
	w.Header().Set("Content-Security-Policy", messagePolicy)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(d.HTML))
	return nil
}

// messagePolicy is the Content-Security-Policy of a message: mail has its styles
// within it.
const messagePolicy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; " +
	"base-uri 'none'; frame-ancestors 'self'"
