package peers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"ringpost/relay/callback"
	"ringpost/relay/peers"
)

const messages = "/api/laml/2010-04-01/Accounts/p/Messages"

// call makes a request of the API and decodes its answer.
func call(t *testing.T, method, url, token string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("p", token)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

func TestSignalWireAnswersAsDocumented(t *testing.T) {
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t"})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	form := url.Values{"To": {"+15550100001"}, "From": {"+15550100000"}, "Body": {"hello"}}

	if status, answer := call(t, "POST", api.URL+messages, "wrong", form); status != 401 || answer["code"] != 20003.0 {
		t.Errorf("with a wrong token: %d %v, want 401 and code 20003", status, answer)
	}
	for _, suffix := range []string{"", ".json"} {
		status, answer := call(t, "POST", api.URL+messages+suffix, "t", form)
		if status != 201 || answer["sid"] == "" || answer["status"] != "queued" || answer["num_segments"] != 1.0 {
			t.Errorf("POST%s = %d %v", suffix, status, answer)
		}
	}
	if status, answer := call(t, "POST", api.URL+messages, "t", url.Values{"To": {"+1"}}); status != 400 || answer["code"] != 21603.0 {
		t.Errorf("without a sender: %d %v, want 400 and code 21603", status, answer)
	}

	first, answer := call(t, "GET", api.URL+messages+".json?To=%2B15550100001&PageSize=1", "t", nil)
	next, _ := answer["next_page_uri"].(string)
	if list, _ := answer["messages"].([]any); first != 200 || len(list) != 1 || next == "" {
		t.Fatalf("first page = %d %v, want one message and a link", first, answer)
	}
	if _, answer = call(t, "GET", api.URL+next, "t", nil); len(answer["messages"].([]any)) != 1 || answer["next_page_uri"] != nil {
		t.Errorf("second page = %v, want one message and no link", answer)
	}
	if _, answer = call(t, "GET", api.URL+messages+".json?To=%2B1999", "t", nil); len(answer["messages"].([]any)) != 0 {
		t.Errorf("page of another number = %v, want no message", answer)
	}
	if got, err := api.Wait(t.Context(), 2); err != nil || len(got) != 2 || got[0].Body != "hello" {
		t.Errorf("Wait = %+v, %v; want two messages", got, err)
	}
}

func TestSignalWirePostsSignedReceiptsInTheOrderAskedFor(t *testing.T) {
	type post struct{ target, body, answer string }
	posts := make(chan post, 9)
	tries := 0
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		req := &callback.Request{Method: r.Method, Target: r.RequestURI, ContentType: r.Header.Get("Content-Type"), Header: r.Header, Body: body}
		err := req.Decode()
		if err == nil {
			err = callback.NewVerifier("https://hooks.example.com", []string{"PSK_1"}).Verify(req)
		}
		if tries++; tries == 1 {
			http.Error(w, "not now", http.StatusServiceUnavailable)
		}
		posts <- post{r.RequestURI, string(body), fmt.Sprint(err)}
	}))
	defer listener.Close()
	api, err := peers.NewSignalWire(peers.SignalWireConfig{Project: "p", Token: "t", Receipts: peers.Receipts{
		SigningKey: "PSK_1",
		Of: func(peers.SMS) []peers.Receipt {
			return []peers.Receipt{{Status: "undelivered", ErrorCode: 30003}, {Status: "sent"}}
		},
		Listener: listener.Listener.Addr().String,
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer api.Close()
	form := url.Values{"To": {"+15550100001"}, "From": {"+15550100000"}, "Body": {"hello"}}
	call(t, "POST", api.URL+messages, "t", form) // asks for none
	form.Set("StatusCallback", "https://hooks.example.com/callbacks/message?delivery=17")
	call(t, "POST", api.URL+messages, "t", form)
	for i, want := range []string{"undelivered", "undelivered", "sent"} {
		got := <-posts
		if got.target != "/callbacks/message?delivery=17" || got.answer != "<nil>" || !strings.Contains(got.body, "MessageStatus="+want) ||
			strings.Contains(got.body, "ErrorCode=30003") != (want == "undelivered") {
			t.Errorf("receipt %d: %+v, want a signed one that says %s", i+1, got, want)
		}
	}
}
