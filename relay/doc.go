// Package relay is Ringpost as a whole: it wires the packages below it into a
// [Service]. This is the life of one callback.
//
// SignalWire posts it to the callbacks' listener. Package intake reads it within
// limits (intake/intake.go), package callback decodes its parameters once
// (callback/params.go), verifies the signature over them
// (callback/signature.go) and checks the fields (callback/parse.go). Package
// store adds it, in one transaction with the callbacks that came at the same
// time (store/group.go, store/intake.go): in SQLite or PostgreSQL
// (store/engine.go). After the fsync the sender gets its 200, also where the
// callback was stored before.
//
// The router (route/router.go) takes what is stored and not yet routed, as it was
// handed over in memory or from the table (store/handoff.go). For each callback
// package rules says who is to be told (rules/rules.go), and package
// render in which words (render/render.go). The deliveries are written and the
// callback is marked as routed, by which plan, in one transaction
// (store/routing.go). The plan itself was kept when the configuration was put
// into force (store/plans.go), so that next week the rules of then can be asked
// why (route/plan.go).
//
// Where a rule or a template asks who called, which callbacks do not tell, the
// callback waits (store/lookup.go, route/resume.go), and package lookup asks the
// provider. What it says, or that it has said nothing in time, is kept with the
// callback, and the rules decide by it then as later.
//
// Package deliver has a lane for each channel (deliver/lane.go). Where the lane
// has room, the delivery is handed to it in memory, stored as leased; else it
// waits in the store and is claimed later (store/lease.go). A worker makes the
// attempt (deliver/attempt.go) through the channel: a mail server
// (channel/email.go), SignalWire's REST API (channel/sms.go, package
// signalwire), an archive, or the log. What came of it is recorded (store/finish.go):
// delivered, to be tried again (deliver/backoff.go), dead, or not known. A
// channel in trouble is left alone and probed (deliver/circuit.go). In the quiet
// hours of its send or of its recipient (package quiet) a delivery waits
// (store/quiet.go). What a rule has collected in a digest is no delivery yet: it is
// written in place of one (store/digest.go), and becomes one with others when it
// is due (route/digest.go).
//
// The message may hold a link that opens the recording ({{.Link}}, render/link.go).
// It was made with the delivery (route/plan.go, store/link.go), and is opened on
// the callbacks' listener: package player shows a small page, counts, and plays
// what package recording fetches from the provider.
//
// The recording itself may go with an email (rules/attach.go, route/attach.go). It
// is fetched to disk before the attempt (deliver/attach.go, recording/spool.go) and
// read from there while the email is handed over (channel/attachment.go); where it
// is too large, or does not come in time, the email has a link in its place.
//
// Where a rule asks for it, the recording itself is kept (package archive): a
// delivery whose recipient is a path in a bucket, and whose words are what is known
// of the recording. From then on it is played from there (audio.go).
//
// A text message asks for receipts (channels.go). They come to the listener of
// callbacks, whenever they like, and are verified like those (intake/receipt.go,
// callback/receipt.go). What they say is noted with the delivery
// (deliver/receipt.go, store/receipt.go): that the phone has it, or that it never
// will, and then the delivery is dead after all.
//
// A callback that never comes is found by asking: package catchup lists the
// provider's recordings, and makes callbacks of those of which none came, and of
// those that began and never ended. They go the same way from the store on.
//
// A delivery that ends dead is not the end of it: package deadletter makes a
// callback of that, too, and the deliveries that take its place, in one transaction
// (store/deadletter.go, route/fallback.go).
//
// Beside that way: package history writes down every few seconds what was counted,
// and which requests were refused (history/history.go). What people do comes by
// operate.go, and is written down with who did it (store/operate.go,
// store/forward.go, store/pause.go); what they look for is found by
// store/search.go.
//
// Package config reads the file, package admin serves health, metrics and the
// API, which package api describes, package page what people see in a browser,
// package metrics counts, package recording fetches what is to be heard. relay.go
// starts and stops it all, channels.go makes the channels, and reload.go puts a
// changed file into force. What can be tried before it counts: check.go runs a
// file's own tests and explains a callback, against.go compares the file with the
// rules in force, trial.go sends a test message, and diagnose.go looks into a
// signature.
package relay
