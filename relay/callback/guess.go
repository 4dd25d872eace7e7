package callback

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// What is usually wrong where a signature does not verify: each function here
// returns guesses in which one thing is otherwise.

const (
	// maxHosts bounds the hosts that are tried, and maxDropped the parameters
	// that are left out in turn: headers and bodies are anybody's.
	maxHosts   = 8
	maxDropped = 32
)

// commonPorts are those that servers behind a proxy, and trials, listen on.
var commonPorts = []string{"80", "443", "3000", "4443", "5000", "8000", "8080", "8081", "8443", "8888", "9443"}

// otherwise is r with one thing changed, and what to say where that verifies.
func (d *doctor) otherwise(r Request, finding string) guess {
	return guess{request: r, publicURL: d.receiver.PublicURL, keys: d.receiver.Keys,
		finding: func(match) string { return finding }}
}

// otherAddresses are those with the other scheme, and under the names that the
// request has for its host.
func (d *doctor) otherAddresses(r *Request) []guess {
	return d.addresses(r, []string{""})
}

// otherPorts are those with a port of another number.
func (d *doctor) otherPorts(r *Request) []guess {
	return d.addresses(r, append(headerValues(r, "X-Forwarded-Port"), commonPorts...))
}

func (d *doctor) addresses(r *Request, ports []string) (all []guess) {
	u, err := url.Parse(strings.TrimSuffix(d.receiver.PublicURL, "/"))
	if err != nil || u.Host == "" {
		return nil
	}
	prefixes := append([]string{u.Path, ""}, headerValues(r, "X-Forwarded-Prefix")...)
	hosts := withPorts(hosts(r, u.Host), ports)
	seen := map[string]bool{u.String(): true}
	for _, prefix := range prefixes[:min(len(prefixes), 3)] {
		for _, scheme := range []string{"https://", "http://"} {
			for _, host := range hosts {
				address := scheme + host + strings.TrimSuffix(prefix, "/")
				if !seen[address] {
					seen[address] = true
					all = append(all, guess{request: *r, publicURL: address, keys: d.receiver.Keys, finding: anotherAddress})
				}
			}
		}
	}
	return all
}

func anotherAddress(m match) string {
	return fmt.Sprintf("it was signed for another address: set [server] public_url = %q", m.base)
}

// withPorts returns each host with each port; an empty one leaves it as it is.
func withPorts(hosts, ports []string) (all []string) {
	for _, host := range hosts {
		bare, _, err := net.SplitHostPort(host)
		if err != nil {
			bare = strings.Trim(host, "[]")
		}
		for _, port := range ports {
			if port == "" {
				all = append(all, host)
			} else {
				all = append(all, net.JoinHostPort(bare, port))
			}
		}
	}
	return all
}

var (
	hostPort      = regexp.MustCompile(`^([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?$`)
	forwardedHost = regexp.MustCompile(`(?i)\bhost="?([^";,\s]+)`)
)

// hosts returns the names that the receiver goes by, as far as the request
// tells.
func hosts(r *Request, public string) (all []string) {
	names := []string{public}
	for _, header := range []string{"Host", "X-Forwarded-Host", "X-Original-Host", "X-Forwarded-Server"} {
		names = append(names, headerValues(r, header)...)
	}
	for _, m := range forwardedHost.FindAllStringSubmatch(r.Header.Get("Forwarded"), maxHosts) {
		names = append(names, m[1])
	}
	if bare, ok := strings.CutPrefix(public, "www."); ok {
		names = append(names, bare)
	} else {
		names = append(names, "www."+public)
	}
	for _, name := range names {
		for _, spelling := range []string{name, strings.ToLower(name)} {
			if len(all) < maxHosts && hostPort.MatchString(spelling) && !slices.Contains(all, spelling) {
				all = append(all, spelling)
			}
		}
	}
	return all
}

// headerValues returns the values of a header that proxies append to.
func headerValues(r *Request, name string) (values []string) {
	for _, header := range r.Header.Values(name) {
		for value := range strings.SplitSeq(header, ",") {
			if value = strings.TrimSpace(value); value != "" && len(values) < maxHosts {
				values = append(values, value)
			}
		}
	}
	return values
}

// otherKeys are the keys spelled otherwise, and the API token.
func (d *doctor) otherKeys(r *Request) (all []guess) {
	try := func(i int, key, finding string) {
		if key == "" || i < len(d.receiver.Keys) && key == d.receiver.Keys[i] {
			return
		}
		keys := make([]string, i+1)
		keys[i] = key
		g := d.otherwise(*r, finding)
		g.keys = keys
		all = append(all, g)
	}
	for i, key := range d.receiver.Keys {
		if key == "" {
			continue
		}
		trimmed := strings.TrimSpace(key)
		at := fmt.Sprintf("key %d of signing_keys verifies it ", i+1)
		try(i, trimmed, at+"without the white space around it: remove that")
		try(i, strings.Trim(trimmed, `"'`), at+"without the quotes around it: remove them")
		for _, more := range []string{"\n", "\r\n", " "} {
			try(i, key+more, at+"with white space at its end: the sender's own copy of the key has some")
		}
		try(i, " "+key, at+"with white space before it: the sender's own copy of the key has some")
		try(i, strings.TrimPrefix(trimmed, "PSK_"), at+"without PSK_ before it: the sender's own copy of the key lacks that")
		try(i, "PSK_"+trimmed, at+"with PSK_ before it: write the whole key")
	}
	const token = "[signalwire] token verifies it: put that into signing_keys too; Twilio signs with it, " +
		"while SignalWire has a Signing Key of its own"
	try(len(d.receiver.Keys), d.receiver.Token, token)
	try(len(d.receiver.Keys), strings.TrimSpace(d.receiver.Token), token)
	return all
}

// otherTargets are the path and query as they may have been before a proxy
// changed them.
func (d *doctor) otherTargets(r *Request) (all []guess) {
	try := func(target, finding string) {
		changed := *r
		if changed.Target = target; target != r.Target && changed.Decode() == nil {
			all = append(all, d.otherwise(changed, finding))
		}
	}
	const unchanged = "; have the proxy pass the address on as it is, or give SignalWire the address that arrives here"
	path, query, hasQuery := strings.Cut(r.Target, "?")
	rest := strings.TrimPrefix(r.Target, path)
	if bare := strings.TrimRight(path, "/"); bare != path {
		try(bare+rest, "it was signed without the slash at the end of the path"+unchanged)
	} else {
		try(path+"/"+rest, "it was signed with a slash at the end of the path"+unchanged)
	}
	try("/"+r.Target, "it was signed with two slashes before the path: take the one at the end of the host's address away "+
		"where SignalWire was given it")
	for _, header := range []string{"X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url", "X-Rewrite-Url"} {
		if target := r.Header.Get(header); strings.HasPrefix(target, "/") && len(target) <= maxTarget {
			try(target, "it was signed for the path and query that the header "+header+" has: a proxy changed them"+unchanged)
		}
	}
	if !hasQuery {
		return all
	}
	try(path, "it was signed without the query: the sender dropped it, or a proxy added it"+unchanged)
	for _, spelling := range respell(query) {
		try(path+"?"+spelling, "it was signed with the query encoded otherwise: a proxy encoded or decoded it"+unchanged)
	}
	pairs := strings.Split(query, "&")
	sorted := slices.Sorted(slices.Values(pairs))
	try(path+"?"+strings.Join(sorted, "&"), "it was signed with the query in another order"+unchanged)
	for i := range pairs[:min(len(pairs), maxDropped)] {
		name, _, _ := strings.Cut(pairs[i], "=")
		less := strings.Join(slices.Delete(slices.Clone(pairs), i, i+1), "&")
		if less == "" {
			continue
		}
		try(path+"?"+less, fmt.Sprintf("it was signed without %q in the query: a proxy added that", name)+unchanged)
	}
	return all
}

var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// respell returns a query in the ways in which programs write the same one.
func respell(query string) (all []string) {
	if plain, err := url.PathUnescape(query); err == nil {
		all = append(all, plain, strings.ReplaceAll(plain, "+", " "), strings.ReplaceAll(plain, " ", "+"), strings.ReplaceAll(plain, " ", "%20"))
	}
	all = append(all,
		escape.ReplaceAllStringFunc(query, strings.ToLower), escape.ReplaceAllStringFunc(query, strings.ToUpper),
		strings.ReplaceAll(query, "+", "%20"), strings.ReplaceAll(query, "%20", "+"), strings.ReplaceAll(query, "&", "&amp;"))
	params, err := decodeForm(query)
	if err != nil {
		return all
	}
	var encoded, bare []string
	for _, p := range params {
		pair := url.QueryEscape(p.name) + "=" + url.QueryEscape(p.value)
		encoded = append(encoded, pair)
		bare = append(bare, strings.TrimSuffix(pair, "="))
	}
	whole := strings.Join(encoded, "&")
	return append(all, whole, strings.ReplaceAll(whole, "+", "%20"), strings.Join(bare, "&"))
}

// otherSignatures are the signature as it may have been before it was changed,
// and those that are not looked at.
func (d *doctor) otherSignatures(r *Request) (all []guess) {
	try := func(header, value, finding string) {
		changed := *r
		changed.Header = http.Header{header: {value}}
		all = append(all, d.otherwise(changed, finding))
	}
	signature, _ := r.signatures()
	const on = "; have the proxy pass headers on as they are"
	for name := range r.Header {
		value := r.Header.Get(name)
		switch {
		case !strings.Contains(name, "Signature") || len(value) > 256:
		case name == headerTwilio && value != signature:
			try(headerTwilio, value, "X-Twilio-Signature verifies; X-SignalWire-Signature, which comes first, does not: remove that header")
		case name != headerSignalWire && name != headerTwilio && name != headerSHA256:
			try(headerSignalWire, value, "the header "+name+" has the signature: want it in X-SignalWire-Signature"+on)
		}
	}
	const changed = "the signature verifies once it is written as it was: it was quoted, cut or encoded on its way" + on
	for _, value := range respellSignature(signature) {
		try(headerSignalWire, value, changed)
	}
	if signature != "" {
		try(headerSHA256, signature, "the signature is an SHA-256 one: want it in X-SignalWire-SHA256-Signature")
	}
	return all
}

func respellSignature(s string) (all []string) {
	all = []string{strings.ReplaceAll(s, " ", "+"), strings.Trim(s, ` "'`), strings.TrimPrefix(s, "sha1="),
		strings.NewReplacer("-", "+", "_", "/").Replace(s), s + "="}
	if plain, err := url.PathUnescape(s); err == nil {
		all = append(all, plain)
	}
	if b, err := hex.DecodeString(s); err == nil {
		all = append(all, base64.StdEncoding.EncodeToString(b))
	}
	if b, err := exactBase64.DecodeString(s); err == nil {
		all = append(all, hex.EncodeToString(b))
	}
	return all
}
