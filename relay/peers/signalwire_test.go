package peers_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

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
