package signalwire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
	"ringpost/relay/peers"
	"ringpost/relay/signalwire"
)

func TestACallIsLookedUp(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "project-1", Token: "PTsecrettoken"})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	api.Ring(peers.Call{Sid: "CA/1", From: "+15550100002", To: "+15550100001", Direction: "inbound", Began: eleven})
	got, err := newClient(t, api.URL, nil).Call(t.Context(), "CA/1")
	want := callback.Call{Known: true, From: "+15550100002", To: "+15550100001", Direction: "inbound", StartTime: eleven}
	if err != nil || *got != want {
		t.Errorf("Call(CA/1) = %+v, %v, want %+v", got, err, want)
	}
	_, err = newClient(t, api.URL, nil).Call(t.Context(), "CA2")
	if e, ok := errors.AsType[*signalwire.Error](err); !ok || e.Status != 404 {
		t.Errorf("Call(CA2) = %v, want the status 404", err)
	}
}

func TestCallsAreReadLooselyAndWithinBounds(t *testing.T) {
	for answer, want := range map[string]callback.Call{
		`{"sid":"CA1","from":"+15550100002","to":15550100001,"direction":"Outbound-API","start_time":null}`: {
			Known: true, From: "+15550100002", To: "15550100001", Direction: "outbound-api"},
		`{"sid":"CA1","from":" anonymous ","to":{},"start_time":"2026-11-19T12:00:00+01:00"}`: {
			Known: true, From: "anonymous", StartTime: eleven},
		`{"sid":"CA1"}`:                       {Known: true},
		`{"sid":"CA2","from":"+15550100002"}`: {},
		`{"from":"+15550100002"}`:             {},
		`[]`:                                  {},
		``:                                    {},
		`{"sid":"CA1","from":"a\u0000b"}`:     {},
		`{"sid":"CA1","from":"+1\u202e5550100002"}`:         {},
		`{"sid":"CA1","direction":"in\nbound"}`:             {},
		`{"sid":"CA1","to":"` + long(257) + `"}`:            {},
		`{"sid":"CA1","direction":"` + long(65) + `"}`:      {},
		`{"sid":"CA1","start_time":"1066-10-14T09:00:00Z"}`: {},
	} {
		transport := &canned{status: 200, answers: []string{answer}}
		got, err := newClient(t, "https://x", transport).Call(t.Context(), "CA1")
		switch {
		case want.Known && (err != nil || *got != want):
			t.Errorf("Call of %s = %+v, %v, want %+v", answer, got, err, want)
		case !want.Known && !errors.Is(err, signalwire.ErrNoCall):
			t.Errorf("Call of %s = %+v, %v, want %v", answer, got, err, signalwire.ErrNoCall)
		}
		if path := "/api/laml/2010-04-01/Accounts/project-1/Calls/CA1.json"; transport.targets[0] != path {
			t.Errorf("Call asked for %s, want %s", transport.targets[0], path)
		}
	}
}

func long(n int) string { return strings.Repeat("x", n) }

func TestNoErrorOfALookUpHoldsTheCallOrANumber(t *testing.T) {
	for _, transport := range []*canned{
		{status: 400, answers: []string{`{"code":20404,"message":"no call 43bb71ee-553f from +15550100002 with PTsecrettoken"}`}},
		{status: 200, answers: []string{`{"sid":"43bb71ee-553f","from":"+15550100002` + long(300) + `"}`}},
	} {
		_, err := newClient(t, "https://x", transport).Call(t.Context(), "43bb71ee-553f")
		for _, secret := range []string{"43bb71ee", "555010", "secrettoken"} {
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("Call = %v, want an error without %s", err, secret)
			}
		}
	}
}

func FuzzCall(f *testing.F) {
	f.Add(`{"sid":"CA1","from":"+15550100002","to":"+15550100001","direction":"inbound","start_time":"Thu, 19 Nov 2026 11:00:00 +0000"}`)
	f.Add(`{"sid":"CA1","from":15550100002,"to":null,"start_time":"0000-01-01T00:00:00+23:00"}`)
	f.Fuzz(func(t *testing.T, answer string) {
		call, err := newClient(t, "https://x", &canned{status: 200, answers: []string{answer}}).Call(t.Context(), "CA1")
		if err != nil {
			return
		}
		if bad := callback.CheckCall(call); bad != nil || !call.Known {
			t.Errorf("Call of %q = %+v, %v", answer, call, bad)
		}
		if _, err := call.StartTime.Add(time.Nanosecond).MarshalJSON(); err != nil {
			t.Errorf("Call of %q begins at %v, which cannot be kept: %v", answer, call.StartTime, err)
		}
	})
}
