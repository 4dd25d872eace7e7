package api_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ringpost/relay/api"
)

// serve answers every request alike, and returns a client.
func serve(t *testing.T, h http.HandlerFunc) *api.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := api.NewClient(server.URL, "kim", "secret")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTheClientSaysWhatTheServiceSays(t *testing.T) {
	for _, test := range []struct {
		status     int
		body, want string
	}{
		{http.StatusConflict, `{"error":"delivery 3 is delivered: cannot cancel it"}`, "delivery 3 is delivered: cannot cancel it"},
		{http.StatusForbidden, "without [[admin.user]] this listener answers to localhost only\n", "without [[admin.user]] this listener answers to localhost only (HTTP status 403)"},
		{http.StatusUnauthorized, "user name and password required\n", "set RINGPOST_USER and RINGPOST_PASSWORD"},
		{http.StatusBadGateway, "<html>" + strings.Repeat("x", 1000), "HTTP status 502"},
		{http.StatusFound, "", "HTTP status 302"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, test.body)
		})
		_, err := c.Cancel(t.Context(), 3)
		if e, ok := errors.AsType[*api.Error](err); !ok || e.Status != test.status || !strings.Contains(e.Text, test.want) {
			t.Errorf("answer %d %s: Cancel: got error %v, want %s", test.status, test.body, err, test.want)
		}
	}
}

func TestTheClientGivesItsPasswordAndAsksForWhatItIsTold(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if user != "kim" || password != "secret" || r.Method != http.MethodPost || r.URL.Path != "/api/deliveries/7/retry" {
			http.Error(w, "not what was expected", http.StatusBadRequest)
			return
		}
		_, _ = io.WriteString(w, `{"id":7,"state":"queued","new":"unknown fields are no error"}`)
	})
	if d, err := c.Retry(t.Context(), 7); err != nil || d.ID != 7 || d.State != "queued" {
		t.Errorf("Retry = %+v, %v; want delivery 7, queued", d, err)
	}
}

func TestTheClientSaysWhenNobodyAnswersOrSomethingElseDoes(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	c, err := api.NewClient(strings.TrimPrefix(server.URL, "http://"), "", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Delivery(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "no answer from "+server.URL) ||
		!strings.Contains(err.Error(), "is ringpost serve running there?") {
		t.Errorf("Delivery of a server that is gone: got error %v", err)
	}
	c = serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") })
	if _, err := c.Delivery(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "is not what Ringpost says") {
		t.Errorf("Delivery of another server: got error %v", err)
	}
}

func TestAServerIsAnAddressOrAURL(t *testing.T) {
	for server, ok := range map[string]bool{
		"127.0.0.1:8081": true, "http://127.0.0.1:8081/": true, "https://admin.example.com/ringpost": true, "localhost": true,
		"": false, "ftp://x": false, "http://": false, "http://u:p@x": false, "http://x?y": false, "http://x#y": false,
	} {
		if _, err := api.NewClient(server, "", ""); (err == nil) != ok {
			t.Errorf("NewClient(%q): got error %v, want one: %t", server, err, !ok)
		}
	}
}
