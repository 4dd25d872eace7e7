package page

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// maxChips bounds the deliveries that a row shows one by one.
const maxChips = 12

// list is what the page of recordings shows.
type list struct {
	Search   search
	States   []store.State
	Narrowed bool
	Rows     []row
	Older    string // the next page; empty where there is none
	Newest   string // the first page
	Live     string // where changes of the list come from; empty for all pages but the first
	Swap     string // how the browser is to put in what it gets; see live.go
}

// row is a callback in the list.
type row struct {
	ID         int64
	Recording  string
	Status     string
	Source     string
	Seconds    int
	ReceivedAt time.Time
	Routed     bool
	Late       bool     // found by asking
	LooksUp    bool     // it waits to know who called
	Rules      []string // that matched
	Forgotten  bool     // those are not known any more
	Chips      []chip
	More       int // deliveries without a chip

	Swap string `json:"-"`
}

// chip is a delivery in a row.
type chip struct {
	State     store.State
	Kind, Who string
}

func (p *Page) recordings(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	s, err := readSearch(r.URL.Query())
	if err != nil {
		return err
	}
	rows, err := p.rows(r.Context(), s)
	if err != nil {
		return err
	}
	l := newList(s, rows)
	l.Newest = s.link("/recordings", "", "")
	if s.before == 0 {
		l.Live = s.link(livePath, "have", fingerprint(rows))
	}
	p.show(w, r, http.StatusOK, "recordings", "Recordings", l)
	return nil
}

func newList(s search, rows []row) list {
	l := list{Search: s, States: store.States, Narrowed: s.narrowed(), Rows: rows}
	if len(rows) == pageSize {
		l.Older = s.link("/recordings", "before", strconv.FormatInt(rows[len(rows)-1].ID, 10))
	}
	return l
}

// rows looks for what s asks for.
func (p *Page) rows(ctx context.Context, s search) ([]row, error) {
	found, err := p.find(ctx, s)
	if err != nil {
		return nil, err
	}
	rows := make([]row, len(found))
	for i := range found {
		if rows[i], err = p.row(ctx, &found[i]); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// find returns the recordings that s asks for. The rows call people by the names
// of contacts, so a contact's name finds its addresses, too.
func (p *Page) find(ctx context.Context, s search) ([]store.Recording, error) {
	found, err := p.store.Search(ctx, s.store())
	if err != nil {
		return nil, err
	}
	contact := p.contact(s.Text)
	for _, address := range []string{contact.Email, contact.Phone} {
		if address == "" {
			continue
		}
		s.Text = address
		more, err := p.store.Search(ctx, s.store())
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	slices.SortFunc(found, func(a, b store.Recording) int { return cmp.Compare(b.ID, a.ID) })
	found = slices.CompactFunc(found, func(a, b store.Recording) bool { return a.ID == b.ID })
	return found[:min(len(found), pageSize)], nil
}

// contact returns the contact of that name in the configuration in force.
func (p *Page) contact(name string) rules.Contact {
	for known, contact := range p.service.Plan().Rules.Definition().Book.Contacts {
		if strings.EqualFold(known, name) {
			return contact
		}
	}
	return rules.Contact{}
}

func (p *Page) row(ctx context.Context, rec *store.Recording) (row, error) {
	r := row{
		ID: rec.ID, Recording: rec.RecordingSid, Status: rec.RecordingStatus, Source: rec.RecordingSource,
		Seconds: rec.RecordingDuration, ReceivedAt: rec.ReceivedAt, Routed: !rec.RoutedAt.IsZero(), Late: rec.Late, LooksUp: rec.LooksUp,
		More: max(0, len(rec.Deliveries)-maxChips),
	}
	plan, err := p.plans.of(ctx, rec.PlanID)
	if err != nil {
		return r, err
	}
	for _, d := range rec.Deliveries[:len(rec.Deliveries)-r.More] {
		r.Chips = append(r.Chips, chip{d.State, d.Kind, plan.who(d.To)})
	}
	for _, d := range rec.Digests {
		r.Chips = append(r.Chips, chip{collecting, d.Kind, plan.who(d.To)})
	}
	if r.Forgotten = r.Routed && plan == nil; plan != nil {
		_, r.Rules = plan.set.Evaluate(rec.Callback)
	}
	return r, nil
}

// fingerprint is the same for rows that look the same.
func fingerprint(rows []row) string {
	text, err := json.Marshal(rows)
	if err != nil {
		panic(fmt.Sprintf("page: rows have no JSON: %v", err)) // they are plain values
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12])
}
