package deadletter

import (
	"maps"
	"strconv"
	"strings"

	"ringpost/relay/callback"
	"ringpost/relay/store"
)

// The fields of a callback with the status undelivered that say what was not
// delivered.
const (
	deliveryID      = "DeliveryId"
	deliveryRule    = "DeliveryRule"
	deliveryChannel = "DeliveryChannel"
	deliveryTo      = "DeliveryTo"
	deliveryError   = "DeliveryError"
)

// maxError bounds what a callback says of an error, in bytes.
const maxError = 500

// undelivered returns the callback that tells that a delivery is dead. It has what
// the one has that asked for it.
func undelivered(d *store.DeadLetter) *callback.Callback {
	cb := *d.Callback.Callback
	cb.RecordingStatus, cb.Late = callback.Undelivered, false
	cb.Call = nil // it is stored without: where rules look at the call, it is asked for again
	cb.Fields = maps.Clone(cb.Fields)
	if cb.Fields == nil {
		cb.Fields = make(map[string]string)
	}
	cb.Fields[deliveryID] = strconv.FormatInt(d.ID, 10)
	cb.Fields[deliveryRule] = d.Rule
	cb.Fields[deliveryChannel] = d.Channel
	cb.Fields[deliveryTo] = d.To
	cb.Fields[deliveryError] = d.LastError
	if len(d.LastError) > maxError {
		cb.Fields[deliveryError] = strings.ToValidUTF8(d.LastError[:maxError], "") + "…"
	}
	return &cb
}
