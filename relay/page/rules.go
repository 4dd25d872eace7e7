package page

import (
	"context"
	"net/http"
	"time"

	"github.com/julienschmidt/httprouter"

	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// month is how far back it is counted how often a rule matched.
const month = 30 * 24 * time.Hour

// ruleList is what the page of rules shows.
type ruleList struct {
	Rules []rule
	Trial trial
}

// rule is a rule of the configuration in force.
type rule struct {
	rules.Rule
	Words      string
	Day, Month int64     // how often it matched
	Last       time.Time // when it matched last, within that time
}

// Off reports whether the rule is turned off.
func (r rule) Off() bool { return r.Enabled != nil && !*r.Enabled }

func (p *Page) rules(w http.ResponseWriter, r *http.Request, _ httprouter.Params) error {
	list, err := p.ruleList(r.Context())
	if err != nil {
		return err
	}
	list.Trial = newTrial()
	p.show(w, r, http.StatusOK, "rules", "Rules", list)
	return nil
}

func (p *Page) ruleList(ctx context.Context) (list ruleList, err error) {
	definition := p.service.Plan().Rules.Definition()
	now := p.store.Now()
	day, err := p.matches(ctx, now.Add(-24*time.Hour))
	if err != nil {
		return list, err
	}
	longer, err := p.matches(ctx, now.Add(-month))
	if err != nil {
		return list, err
	}
	for _, r := range definition.Rules {
		list.Rules = append(list.Rules, rule{
			Rule: r, Words: r.Words(&definition.Book),
			Day: day[r.Name].N, Month: longer[r.Name].N, Last: longer[r.Name].LastAt,
		})
	}
	return list, nil
}

// matches is how often each rule matched since then.
func (p *Page) matches(ctx context.Context, since time.Time) (map[string]store.Tally, error) {
	totals, err := p.store.Totals(ctx, "rule", since)
	if err != nil {
		return nil, err
	}
	found := make(map[string]store.Tally, len(totals))
	for _, t := range totals {
		found[t.Name] = t
	}
	return found, nil
}
