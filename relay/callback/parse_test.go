package callback_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringpost/relay/callback"
)

var received = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)

// parse decodes and parses what came in.
func parse(method, target, contentType, body string) (*callback.Callback, error) {
	r := &callback.Request{Method: method, Target: target, ContentType: contentType, Body: []byte(body)}
	if err := r.Decode(); err != nil {
		return nil, err
	}
	return r.Parse(space, received)
}

func parseForm(body string) (*callback.Callback, error) {
	return parse(http.MethodPost, callback.Path, formType, body)
}

// formWith is formBody with other values, and without those that are "-".
func formWith(values map[string]string) string {
	form, _ := url.ParseQuery(formBody)
	for name, value := range values {
		form.Set(name, value)
		if value == "-" {
			form.Del(name)
		}
	}
	return form.Encode()
}

func want() *callback.Callback {
	return &callback.Callback{
		AccountSid:        "b3877c40-da60",
		RecordingSid:      "19e436af-5688",
		RecordingStatus:   "completed",
		CallSid:           "43bb71ee-553f",
		RecordingUrl:      "https://files.example.com/19e436af.wav",
		RecordingDuration: 94,
		RecordingSource:   "RecordVerb",
		RecordingChannels: "1",
		ReceivedAt:        received,
	}
}

func TestParseReadsAFormAQueryAndJSONAlike(t *testing.T) {
	form, _ := url.ParseQuery(formBody)
	query := make(map[string]string)
	for name := range form {
		query[name] = form.Get(name)
	}
	for _, test := range []struct {
		name, method, target, contentType, body string
		query                                   map[string]string
	}{
		{"form", http.MethodPost, callback.Path, formType, formBody, nil},
		{"form with a charset", http.MethodPost, callback.Path, "Application/X-WWW-Form-Urlencoded; charset=UTF-8", formBody, nil},
		{"form beside a query", http.MethodPost, target, formType, formBody, map[string]string{"agent": "alice"}},
		{"GET", http.MethodGet, callback.Path + "?" + formBody, "", "", query},
		{"JSON", http.MethodPost, callback.Path, jsonType, jsonBody, nil},
		{"JSON with a charset", http.MethodPost, callback.Path, "application/json; charset=utf-8", jsonBody, nil},
		{"JSON with strings", http.MethodPost, callback.Path, jsonType,
			strings.NewReplacer(":94", `:"94"`, ":1,", `:"1",`).Replace(jsonBody), nil},
		{"JSON with a fraction", http.MethodPost, callback.Path, jsonType, strings.Replace(jsonBody, "94", "94.5", 1), nil},
		{"JSON with an exponent", http.MethodPost, callback.Path, jsonType, strings.Replace(jsonBody, "94", "9.4e1", 1), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := want()
			want.Query = test.query
			got, err := parse(test.method, test.target, test.contentType, test.body)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Parse() = %+v, %v, want %+v", got, err, want)
			}
		})
	}
}

func TestParseNamesTheFieldAtFault(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, test := range []struct {
		field  string
		values map[string]string
	}{
		{"AccountSid", map[string]string{"AccountSid": "-"}},
		{"AccountSid", map[string]string{"AccountSid": ""}},
		{"AccountSid", map[string]string{"AccountSid": "a b"}},
		{"AccountSid", map[string]string{"AccountSid": "zoë"}},
		{"RecordingSid", map[string]string{"RecordingSid": "-"}},
		{"RecordingSid", map[string]string{"RecordingSid": ""}},
		{"RecordingSid", map[string]string{"RecordingSid": long}},
		{"RecordingSid", map[string]string{"RecordingSid": "a\nb"}},
		{"CallSid", map[string]string{"CallSid": "a\x7fb"}},
		{"RecordingStatus", map[string]string{"RecordingStatus": "-"}},
		{"RecordingStatus", map[string]string{"RecordingStatus": ""}},
		{"RecordingStatus", map[string]string{"RecordingStatus": "finished"}},
		{"RecordingStatus", map[string]string{"RecordingStatus": "completed "}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "-"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": ""}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "1m34s"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "-1"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "NaN"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "Inf"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "0x10p0"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "1_0"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": " 94"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "1e300"}},
		{"RecordingDuration", map[string]string{"RecordingDuration": "99999999999999999999"}},
		{"RecordingDuration", map[string]string{"RecordingStatus": "absent", "RecordingDuration": "none"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "-"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": ""}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "ftp://files.example.com/r.wav"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "javascript:alert(1)"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "https://"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "https:r.wav"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "//files.example.com/r.wav"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "r.wav"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "https://kim:pass@files.example.com/r.wav"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "https://files.example.com/r.wav\r\nBcc: x"}},
		{"RecordingUrl", map[string]string{"RecordingUrl": "https://files.example.com/" + long}},
		{"RecordingUrl", map[string]string{"RecordingStatus": "failed", "RecordingUrl": "x:y"}},
		{"Note", map[string]string{"Note": "\xff"}},
		{"Note", map[string]string{"Note": "a\x00b"}},
		{"parameter name", map[string]string{"": "x"}},
		{"parameter name", map[string]string{"7up": "x"}},
		{"parameter name", map[string]string{"a b": "x"}},
		{"parameter name", map[string]string{long: "x"}},
	} {
		t.Run(fmt.Sprintf("%.80q", test.values), func(t *testing.T) {
			cb, err := parseForm(formWith(test.values))
			fault, ok := errors.AsType[*callback.FieldError](err)
			if !ok || fault.Field != test.field {
				t.Fatalf("Parse() = %+v, %v, want an error that names %s", cb, err, test.field)
			}
			for _, value := range test.values {
				if len(value) > 3 && strings.Contains(err.Error(), value) {
					t.Errorf("Parse() = %v, which holds the value %q", err, value)
				}
			}
		})
	}
}

func TestParseRefusesAKnownParameterGivenTwice(t *testing.T) {
	form, _ := url.ParseQuery(formBody)
	for name := range form {
		// Twilio's scheme signs a value that is given twice once, so this verifies.
		r := signed(t, target, formBody)
		r.Body = append(r.Body, "&"+name+"="+url.QueryEscape(form.Get(name))...)
		if err := receive(r); err != nil {
			t.Fatalf("%s twice: Verify() = %v, want no error", name, err)
		}
		cb, err := r.Parse(space, received)
		if fault, ok := errors.AsType[*callback.FieldError](err); !ok || fault.Field != name {
			t.Errorf("%s twice: Parse() = %+v, %v, want an error that names it", name, cb, err)
		}
	}
}

func TestParseNeedsURLAndDurationOnlyOfCompletedRecordings(t *testing.T) {
	for _, status := range callback.Statuses {
		for _, empty := range []string{"", "-"} {
			cb, err := parseForm(formWith(map[string]string{
				"RecordingStatus": status, "RecordingUrl": empty, "RecordingDuration": empty, "CallSid": empty,
			}))
			if status == "completed" {
				if err == nil {
					t.Errorf("%s: Parse() = %+v, want an error", status, cb)
				}
				continue
			}
			if err != nil || cb.RecordingStatus != status || cb.RecordingUrl != "" || cb.RecordingDuration != 0 {
				t.Errorf("%s: Parse() = %+v, %v, want neither URL nor duration, no error", status, cb, err)
			}
		}
	}
}

func TestParseLetsTheCallBeUnknown(t *testing.T) {
	if cb, err := parseForm(formWith(map[string]string{"CallSid": ""})); err != nil || cb.CallSid != "" {
		t.Errorf("Parse() = %+v, %v, want no call and no error", cb, err)
	}
}

func TestParseReadsAStatusWithoutRegardToCase(t *testing.T) {
	cb, err := parseForm(formWith(map[string]string{"RecordingStatus": "In-Progress"}))
	if err != nil || cb.RecordingStatus != "in-progress" {
		t.Errorf("Parse() = %+v, %v, want in-progress", cb, err)
	}
}

func TestParseResolvesARelativeURLAgainstTheSpace(t *testing.T) {
	for raw, want := range map[string]string{
		"/api/laml/Recordings/1":          "https://example.signalwire.com/api/laml/Recordings/1",
		"https://files.example.com/1.wav": "https://files.example.com/1.wav",
		"http://files.example.com/1.wav":  "http://files.example.com/1.wav",
	} {
		cb, err := parseForm(formWith(map[string]string{"RecordingUrl": raw}))
		if err != nil || cb.RecordingUrl != want {
			t.Errorf("RecordingUrl %s: Parse() = %+v, %v, want %s", raw, cb, err, want)
		}
	}
}

func TestParseKeepsUnknownParameters(t *testing.T) {
	long := strings.Repeat("x", 5000)
	for _, test := range []struct {
		name, method, target, contentType, body string
		fields, query                           map[string]string
	}{
		{"form", http.MethodPost, callback.Path + "?agent=alice&_t=1&agent=b%20c&flag", formType,
			formBody + "&Tag=b&RecordingTrack=both&Tag=a&Empty=&Other_1.2-[x]:=+%26&Long=" + long,
			map[string]string{"Tag": "b, a", "RecordingTrack": "both", "Empty": "", "Other_1.2-[x]:": " &", "Long": long},
			map[string]string{"agent": "alice, b c", "_t": "1", "flag": ""}},
		{"JSON", http.MethodPost, callback.Path, jsonType,
			jsonBody[:len(jsonBody)-1] + `,"big":9007199254740993,"f":1.50,"b":true,"n":null,"o":{"x": [1, "é"]},"@id":"é"}`,
			map[string]string{
				"big": "9007199254740993", "f": "1.50", "b": "true", "n": "", "o": `{"x":[1,"é"]}`, "@id": "é",
			}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cb, err := parse(test.method, test.target, test.contentType, test.body)
			if err != nil {
				t.Fatalf("Parse() = %v, want no error", err)
			}
			if !maps.Equal(cb.Fields, test.fields) {
				t.Errorf("Fields = %q, want %q", cb.Fields, test.fields)
			}
			if !maps.Equal(cb.Query, test.query) {
				t.Errorf("Query = %q, want %q", cb.Query, test.query)
			}
		})
	}
}

func TestFieldReachesEveryParameter(t *testing.T) {
	cb, err := parseForm(formBody + "&Tag=x&Empty=")
	if err != nil {
		t.Fatal(err)
	}
	form, _ := url.ParseQuery(formBody + "&Tag=x")
	for name := range form {
		if value, ok := cb.Field(name); !ok || value != form.Get(name) {
			t.Errorf("Field(%s) = %q, %t, want %q, true", name, value, ok, form.Get(name))
		}
	}
	for _, name := range []string{"Empty", "Missing"} {
		if value, ok := cb.Field(name); ok {
			t.Errorf("Field(%s) = %q, true, want false", name, value)
		}
	}
}

func TestDecodeRefusesWhatItCannotRead(t *testing.T) {
	many := strings.Repeat("a=1&", 200)
	for _, test := range []struct {
		name, method, target, contentType, body, field string
	}{
		{"form's percent-encoding", http.MethodPost, callback.Path, formType, "a=%zz", "body"},
		{"name's percent-encoding", http.MethodPost, callback.Path, formType, "%z=a", "body"},
		{"many parameters", http.MethodPost, callback.Path, formType, many, "body"},
		{"query's percent-encoding", http.MethodPost, callback.Path + "?a=%", formType, formBody, "query"},
		{"many in the query", http.MethodGet, callback.Path + "?" + many, "", "", "query"},
		{"long query", http.MethodGet, callback.Path + "?a=" + strings.Repeat("x", 20_000), "", "", "query"},
		{"no JSON", http.MethodPost, callback.Path, jsonType, formBody, "body"},
		{"empty JSON", http.MethodPost, callback.Path, jsonType, "", "body"},
		{"JSON array", http.MethodPost, callback.Path, jsonType, "[]", "body"},
		{"JSON cut off", http.MethodPost, callback.Path, jsonType, jsonBody[:len(jsonBody)-1], "body"},
		{"JSON without a value", http.MethodPost, callback.Path, jsonType, `{"a":}`, "body"},
		{"JSON with a comma too many", http.MethodPost, callback.Path, jsonType, `{"a":1,}`, "body"},
		{"JSON without a name", http.MethodPost, callback.Path, jsonType, `{1:1}`, "body"},
		{"JSON twice", http.MethodPost, callback.Path, jsonType, jsonBody + jsonBody, "body"},
		{"many in JSON", http.MethodPost, callback.Path, jsonType, "{" + strings.Repeat(`"a":1,`, 200) + `"b":1}`, "body"},
		{"text", http.MethodPost, callback.Path, "text/plain", formBody, ""},
		{"multipart", http.MethodPost, callback.Path, "multipart/form-data; boundary=x", formBody, ""},
		{"no content type", http.MethodPost, callback.Path, "", formBody, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cb, err := parse(test.method, test.target, test.contentType, test.body)
			if test.field == "" {
				if !errors.Is(err, callback.ErrMediaType) {
					t.Errorf("Decode() = %v, want ErrMediaType", err)
				}
				return
			}
			if fault, ok := errors.AsType[*callback.FieldError](err); !ok || fault.Field != test.field {
				t.Errorf("Decode() = %+v, %v, want an error that names the %s", cb, err, test.field)
			}
		})
	}
}

func TestNewMakesTheCallbackThatASenderWouldPost(t *testing.T) {
	form, _ := url.ParseQuery(formBody)
	fields := make(map[string]string)
	for name := range form {
		fields[name] = form.Get(name)
	}
	want := want()
	want.Query = map[string]string{"agent": "alice"}
	got, err := callback.New(fields, want.Query, space, received)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("New() = %+v, %v, want %+v", got, err, want)
	}
	delete(fields, "RecordingSid")
	if _, err := callback.New(fields, nil, space, received); err == nil {
		t.Error("New() without RecordingSid = nil, want an error")
	}
}
