package deliver_test

import (
	"testing"
	"time"

	"ringpost/relay/deliver"
	"ringpost/relay/store"
)

func TestWhySaysInASentenceWhereADeliveryStands(t *testing.T) {
	zone := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = zone })
	noon := time.Date(2026, time.November, 24, 12, 3, 4, 0, time.UTC)
	up := &deliver.Status{Channel: "sms", Since: noon}
	down := &deliver.Status{Channel: "sms", Down: true, Since: noon, LastError: "connect: dial tcp 127.0.0.1:25: connect: connection refused"}
	paused := &deliver.Status{Channel: "sms", Down: true, Since: noon, Pause: &store.Pause{Channel: "sms", By: "kim", At: noon.Add(-24 * time.Hour)}}
	delivery := func(d store.Delivery) store.Delivery {
		d.Channel, d.Kind, d.To = "sms", "sms", "+15550100001"
		return d
	}
	nobody := delivery(store.Delivery{State: store.Dead, LastError: "the recipient is empty"})
	nobody.To = ""
	mail := store.Delivery{State: store.Delivered, Channel: "mail", Kind: "email", To: "a@example.com", Attempts: 1, FinishedAt: noon}
	with := func(a store.Attachment) store.Delivery {
		d := mail
		d.Attach = a
		return d
	}

	for name, test := range map[string]struct {
		delivery   store.Delivery
		status     *deliver.Status
		operations []store.Operation
		want       string
	}{
		"its turn":     {delivery(store.Delivery{State: store.Queued}), up, nil, "waits for its turn"},
		"dead channel": {delivery(store.Delivery{State: store.Queued}), down, nil, "waits: channel sms is down since 12:03 UTC (connection refused); it goes out by itself once the channel is up"},
		"paused":       {delivery(store.Delivery{State: store.Retrying}), paused, nil, "waits: channel sms is paused by kim since 23 Nov 12:03 UTC; it goes out once somebody resumes the channel"},
		"no channel":   {delivery(store.Delivery{State: store.Queued}), nil, nil, "waits: the configuration has no channel sms"},
		"retrying": {delivery(store.Delivery{State: store.Retrying, Attempts: 2, LastError: "no answer in time", NextAttemptAt: noon.Add(time.Minute)}), up, nil,
			"waits: attempt 2 failed (no answer in time); the next one is at 12:04 UTC"},
		"held": {delivery(store.Delivery{State: store.Queued, Quiet: "09:00-18:30 Europe/Berlin", NextAttemptAt: noon.Add(5 * time.Hour)}), up, nil,
			"waits for the end of quiet hours, 18:30 Europe/Berlin"},
		"held overnight, and the channel is down": {delivery(store.Delivery{State: store.Retrying, Attempts: 2, LastError: "no answer in time",
			Quiet: "09:00-08:00 Europe/Berlin"}), down, nil,
			"waits for the end of quiet hours, 25 Nov 08:00 Europe/Berlin: attempt 2 failed (no answer in time)"},
		"to be retried after quiet hours": {delivery(store.Delivery{State: store.Retrying, Attempts: 2, LastError: "no answer in time",
			Quiet: "09:00-13:30 Europe/Berlin", NextAttemptAt: noon.Add(time.Hour)}), up, nil,
			"waits for the end of quiet hours, 13:30 Europe/Berlin; the next attempt is at 13:03 UTC"},
		"not held now": {delivery(store.Delivery{State: store.Queued, Quiet: "21:00-08:00 Europe/Berlin"}), up, nil, "waits for its turn"},
		"its recording": {delivery(store.Delivery{State: store.Retrying, Attempts: 2, LastError: "the recording cannot be attached yet: HTTP status 404", NextAttemptAt: noon.Add(time.Minute)}), up, nil,
			"waits for the recording, which is to go with it (HTTP status 404); asked for again at 12:04 UTC, and given up after 10m0s"},
		"with its recording":    {with(store.Attachment{Format: "mp3", Bytes: 4_230_000}), up, nil, "accepted by the mail server at 12:03 UTC, with the recording (4.2 MB)"},
		"without its recording": {with(store.Attachment{Format: "mp3", LeftOut: "it is too large"}), up, nil, "accepted by the mail server at 12:03 UTC, with a link in place of the recording: it is too large"},
		"sending":               {delivery(store.Delivery{State: store.Sending}), up, nil, "is being sent"},
		"delivered":             {mail, up, nil, "accepted by the mail server at 12:03 UTC"},
		"delivered at last":     {delivery(store.Delivery{State: store.Delivered, Attempts: 3, FinishedAt: noon}), up, nil, "accepted by the SMS provider at 12:03 UTC, at attempt 3; not yet confirmed by the phone's carrier"},
		"sent": {delivery(store.Delivery{State: store.Delivered, Attempts: 1, FinishedAt: noon, Receipt: "sent", ReceiptAt: noon}), up, nil,
			"accepted by the SMS provider at 12:03 UTC; not yet confirmed by the phone's carrier"},
		"on the phone": {delivery(store.Delivery{State: store.Delivered, Attempts: 1, FinishedAt: noon.Add(-time.Minute), Receipt: "delivered", ReceiptAt: noon}), up, nil,
			"accepted by the SMS provider at 12:02 UTC; the phone has it since 12:03 UTC"},
		"lost": {delivery(store.Delivery{State: store.Dead, Attempts: 1, FinishedAt: noon, Receipt: "undelivered", ReceiptAt: noon,
			LastError: "the carrier did not deliver it: the phone is switched off or out of reach (code 30003)"}), up, nil,
			"the carrier did not deliver it: the phone is switched off or out of reach (code 30003)"},
		"archived": {store.Delivery{State: store.Delivered, Channel: "archive", Kind: "archive", To: "a.mp3", Attempts: 2, FinishedAt: noon}, up, nil,
			"archived at 12:03 UTC, and verified there, at attempt 2"},
		"not archived": {store.Delivery{State: store.Dead, Channel: "archive", Kind: "archive", Attempts: 1, LastError: "another recording is kept at this path"}, up, nil,
			"not archived: another recording is kept at this path"},
		"nobody":               {nobody, up, nil, "nobody was told: the recipient is empty"},
		"a template":           {delivery(store.Delivery{State: store.Dead, LastError: "template recording: no"}), up, nil, "could not be written: template recording: no"},
		"opted out":            {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "send a text message: HTTP status 400, code 21610: blacklist rule"}), up, nil, "not sent: the recipient has opted out of SMS (answered STOP); they get none until they text START to the sender's number"},
		"no mobile number":     {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "send a text message: HTTP status 400, code 21614"}), up, nil, "not sent: the recipient's number is no mobile number (code 21614)"},
		"no such mailbox":      {store.Delivery{State: store.Dead, Channel: "mail", Kind: "email", To: "a@example.com", Attempts: 1, LastError: "RCPT: 550 5.1.1 no such user"}, up, nil, "not sent: the mail server takes nothing for this recipient (550 5.1.1 no such user)"},
		"refused":              {store.Delivery{State: store.Dead, Channel: "mail", Kind: "email", To: "a@example.com", Attempts: 1, LastError: "end of DATA: 554 spam"}, up, nil, "not sent: the mail server refuses this message (554 spam)"},
		"another code":         {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "HTTP status 400, code 99999: what"}), up, nil, "not sent: HTTP status 400, code 99999: what"},
		"given up":             {delivery(store.Delivery{State: store.Dead, Attempts: 9, LastError: "given up after 72h0m0s: no answer"}), up, nil, "not sent: given up after 72h0m0s: no answer"},
		"cancelled":            {delivery(store.Delivery{State: store.Cancelled, FinishedAt: noon}), up, []store.Operation{{By: "lee", What: "cancelled"}, {By: "lee", What: "retried"}, {By: "kim", What: "cancelled"}}, "not sent: cancelled by kim at 12:03 UTC"},
		"cancelled by someone": {delivery(store.Delivery{State: store.Cancelled, FinishedAt: noon}), up, nil, "not sent: cancelled by somebody at 12:03 UTC"},
		"unknown":              {delivery(store.Delivery{State: store.Unknown}), up, nil, "may or may not have arrived, and nobody can tell but the recipient: ask, and then retry or cancel it"},
		"shadow":               {delivery(store.Delivery{State: store.Shadow}), up, nil, "trial only (shadow): noted, and not sent"},
		"shadow of nobody":     {delivery(store.Delivery{State: store.Shadow, LastError: "the recipient is empty"}), up, nil, "trial only (shadow): it could not have been sent: the recipient is empty"},
		"a fallback": {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "no", Aftermath: store.FellBack}), up,
			[]store.Operation{{By: "kim", What: "fallback: x"}, {By: store.Itself, What: "fallback: delivery 7, 8"}}, "not sent: no; its fallback took over: delivery 7, 8"},
		"a fallback, in a list":  {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "no", Aftermath: store.FellBack}), up, nil, "not sent: no; its fallback took over"},
		"no fallback":            {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "no", Aftermath: store.Settled}), up, nil, "not sent: no"},
		"an unknown fallback":    {delivery(store.Delivery{State: store.Dead, Attempts: 1, LastError: "no", Aftermath: store.FallbackUnknown}), up, nil, "not sent: no; whether it has a fallback is not known, since the rules of then are not kept"},
		"retried after fallback": {delivery(store.Delivery{State: store.Queued, Aftermath: store.FellBack}), up, nil, "waits for its turn"},
	} {
		if got := deliver.Why(&test.delivery, test.status, test.operations, noon.Add(time.Minute)); got != test.want {
			t.Errorf("%s: Why = %s\nwant %s", name, got, test.want)
		}
	}
}
