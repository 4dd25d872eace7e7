package catchup

import (
	"cmp"
	"maps"
	"strconv"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/signalwire"
	"ringpost/relay/store"
)

// late returns the callback that a sender would have posted when the recording
// ended. What only callbacks know, its query among it, is as in an earlier one.
func late(c *Config, r *signalwire.Recording, earlier []store.Stored) (*callback.Callback, error) {
	fields := make(map[string]string)
	var query map[string]string
	if before := first(earlier); before != nil {
		maps.Copy(fields, before.Fields)
		delete(fields, inProgressSince)
		put(fields, "AccountSid", before.AccountSid)
		put(fields, "CallSid", before.CallSid)
		put(fields, "RecordingSource", before.RecordingSource)
		put(fields, "RecordingChannels", before.RecordingChannels)
		query = before.Query
	} else {
		put(fields, "AccountSid", cmp.Or(r.Account, c.Project))
	}
	put(fields, "CallSid", r.Call)
	put(fields, "ConferenceSid", r.Conference)
	put(fields, "RecordingSid", r.Sid)
	put(fields, "RecordingStatus", r.Status)
	put(fields, "RecordingSource", r.Source)
	put(fields, "RecordingChannels", r.Channels)
	put(fields, "RecordingStartTime", r.StartTime)
	put(fields, "ErrorCode", r.ErrorCode)
	put(fields, "RecordingDuration", strconv.Itoa(int(r.Length/time.Second)))
	if r.Status == callback.Completed {
		put(fields, "RecordingUrl", c.Client.RecordingURL(fields["AccountSid"], r.Sid))
	}
	cb, err := callback.New(fields, query, c.Space, time.Now())
	if err != nil {
		return nil, err
	}
	cb.Late = true
	return cb, nil
}

// put sets a field that is not empty.
func put(fields map[string]string, name, value string) {
	if value != "" {
		fields[name] = value
	}
}

// first returns the callback that told of the beginning of a recording, or
// whichever there is; nil where there is none.
func first(received []store.Stored) *callback.Callback {
	var found *callback.Callback
	for _, cb := range received {
		if cb.RecordingStatus == callback.Undelivered {
			continue // it is about a message
		}
		if found == nil || cb.RecordingStatus == callback.InProgress {
			found = cb.Callback
		}
	}
	return found
}
