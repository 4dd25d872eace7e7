package route

import (
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/render"
	"ringpost/relay/rules"
	"ringpost/relay/store"
)

// Fallbacks plans what takes the place of a delivery of a callback that ended
// dead, as the rules of then have it, in the words of p. instead are those of its
// deliveries that took the place of others: they have no fallback themselves.
func (p *Plan) Fallbacks(then *rules.Set, rec store.Recording, instead map[int64]int64, dead int64) []store.Fallback {
	asked := askedFor(then, rec, instead)
	if asked[dead] == nil {
		return nil // it was sent on by a person, or is a fallback
	}
	var planned []store.Fallback
	for _, f := range then.Fallbacks(rec.Callback, asked[dead]) {
		same := sameOf(rec.Deliveries, asked, &f)
		d := &store.Delivery{Channel: f.Channel, To: f.To}
		if same == 0 {
			d = p.delivery(rec.Callback, f, p.newLink)
		}
		planned = append(planned, store.Fallback{Delivery: d, Template: f.Template, Same: same})
	}
	return planned
}

// askedFor returns what the rules of then asked for with each delivery of a
// callback, by its id. They were made in that order. What is left out was not made
// by a rule.
func askedFor(then *rules.Set, rec store.Recording, instead map[int64]int64) map[int64]*rules.Delivery {
	asked, _ := then.Evaluate(rec.Callback)
	made := make(map[int64]*rules.Delivery, len(asked))
	used := make([]bool, len(asked))
	for i := range rec.Deliveries {
		d := &rec.Deliveries[i]
		if _, ok := instead[d.ID]; ok {
			continue
		}
		for j := range asked {
			a := &asked[j]
			if a.Digest > 0 {
				continue // it is made later, of many callbacks, and has no fallback
			}
			if !used[j] && a.Rule == d.Rule && a.Channel == d.Channel && strings.EqualFold(a.To, d.To) && a.Shadow == (d.State == store.Shadow) {
				used[j], made[d.ID] = true, a
				break
			}
		}
	}
	return made
}

// sameOf returns the delivery that says what f would to the same, and has not
// failed; 0 where there is none.
func sameOf(deliveries []store.Delivery, asked map[int64]*rules.Delivery, f *rules.Delivery) int64 {
	for i := range deliveries {
		d := &deliveries[i]
		if a := asked[d.ID]; a != nil && d.State.Reaches() && a.Channel == f.Channel && a.Template == f.Template && strings.EqualFold(a.To, f.To) {
			return d.ID
		}
	}
	return 0
}

// fallback says what would take the place of a message, and why that could not be
// sent; both are empty where there is nothing.
func (p *Plan) fallback(cb *callback.Callback, asked *rules.Delivery) (words, problem string) {
	var all, problems []string
	for _, f := range p.Rules.Fallbacks(cb, asked) {
		d := p.delivery(cb, f, p.sampleLink)
		if d.LastError != "" {
			problems = append(problems, "by "+f.Channel+": "+d.LastError)
			continue
		}
		all = append(all, kindWords(f.Kind)+" to "+f.To+" (channel "+f.Channel+", template "+f.Template+")")
	}
	return strings.Join(all, "; "), strings.Join(problems, "; ")
}

// kindWords is one message of that kind.
func kindWords(kind string) string {
	switch kind {
	case render.Email:
		return "an email"
	case render.SMS:
		return "an SMS"
	}
	return "a message"
}
