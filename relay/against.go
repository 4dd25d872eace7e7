package relay

import (
	"ringpost/relay/api"
	"ringpost/relay/config"
	"ringpost/relay/route"
)

// Against says what cfg would do otherwise than the rules in force about the
// callbacks of a replay. Those are left out, and counted, about which it could not
// decide without knowing who called, which was not asked then.
func Against(cfg *config.Config, replay api.Replay) (changes []route.Change, leftOut int, err error) {
	if err := rulesKnown(cfg); err != nil {
		return nil, 0, err
	}
	plan := newPlan(cfg)
	var c route.Comparison
	for i := range replay.Callbacks {
		r := &replay.Callbacks[i]
		cb := r.Callback.Parsed()
		if plan.NeedsCall(cb) {
			leftOut++
			continue
		}
		c.Add(r.Callback.Recording, r.Messages, plan.Outcomes(cb))
	}
	return c.Changes(), leftOut, nil
}
