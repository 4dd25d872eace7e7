package relay

import (
	"ringpost/relay/api"
	"ringpost/relay/config"
	"ringpost/relay/route"
)

// Against says what cfg would do otherwise than the rules in force about the
// callbacks of a replay.
func Against(cfg *config.Config, replay api.Replay) ([]route.Change, error) {
	if err := rulesKnown(cfg); err != nil {
		return nil, err
	}
	plan := newPlan(cfg)
	var c route.Comparison
	for i := range replay.Callbacks {
		r := &replay.Callbacks[i]
		c.Add(r.Callback.Recording, r.Messages, plan.Outcomes(r.Callback.Parsed()))
	}
	return c.Changes(), nil
}
