package page_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// hostileWords are what senders may put into a query or a field.
var hostileWords = []string{
	`<script>window.ran = 'script'</script>`,
	`"><img src=x onerror="window.ran = 'attribute'">`,
	`' onmouseover='window.ran = 1' x='`,
	`javascript:window.ran='url'`,
	`</textarea></title></style><svg onload="window.ran = 'svg'">`,
	`{{.Secret}} ${window.ran = 1} <!-- -->`,
	"\u202Egnp.exe\u202C \u2067right to left\u2069",
	"a lone\rcarriage\u2028return\nevent: all\ndata: <b>forged</b>\n\n",
	strings.Repeat("long", 200),
	strings.Repeat("\u0416\u0301", 150),
}

func TestBrowserObeysNoCallback(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	b := s.tab()
	b.open("/recordings")
	b.holds("the list is live", "document.querySelector('#live').dataset.live === 'on'")
	query := make(url.Values)
	change := []string{`RecordingUrl=https://example.signalwire.com/"><script>window.ran='url'</script>`,
		`CallSid="><script>window.ran='call'</script>`, "RecordingSource=<b>" + hostileWords[0] + hostileWords[8], "RecordingChannels=" + hostileWords[1]}
	for i, words := range hostileWords {
		query.Set(fmt.Sprintf("q%d<i>", i), words)
		change = append(change, fmt.Sprintf("Field%d=%s", i, words))
	}
	query.Set("agent", hostileWords[0])
	query.Set(hostileWords[3], hostileWords[4])
	s.post(s.recorded(`"><img/src/onerror=window.ran=1>`, 94*time.Second, change...), "?"+query.Encode())
	s.arrived(2)
	b.rows(1)
	b.holds("the row is complete", "document.querySelectorAll('.row [data-state=delivered]').length === 2")
	check := func(what string) {
		t.Helper()
		for _, window := range []size{phone, desktop} {
			b.resize(window)
			b.fitsItsWidth(what)
		}
		if ran := js[string](b, "String(window.ran)"); ran != "undefined" {
			t.Errorf("%s: what a callback says ran: %s", what, ran)
		}
		if forged := js[int](b, "document.querySelectorAll('main script, main img, main b:not(.legend b), main svg:not(.chart)').length"); forged > 0 {
			t.Errorf("%s: %d elements come from what a callback says", what, forged)
		}
	}
	check("the live list")
	b.open("/recordings")
	check("the list")
	js[bool](b, "document.querySelector('.row a').click() || true")
	b.sees("Timeline")
	js[bool](b, "[...document.querySelectorAll('details')].every(d => d.open = true)")
	check("the recording")
	b.isAccessible("the recording")
	b.open(strings.Replace(b.at(), "/recordings/", "/rules/try/", 1))
	check("the trial")
	for _, words := range hostileWords {
		b.open("/recordings?" + url.Values{"q": {words[:min(len(words), 250)]}}.Encode())
		check("a search for " + words)
	}
}
