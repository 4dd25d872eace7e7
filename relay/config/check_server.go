package config

import (
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"ringpost/relay/render"
)

// hostName is a name such as example.signalwire.com (RFC 1123, 2.1), with at
// least two labels.
var hostName = regexp.MustCompile(`(?i)^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$`)

// publicURL is where links to recordings need it.
var publicURL = place{}.key("server").key("public_url")

func (l *loader) checkServer(at place, c *Config) {
	s := &c.Server
	l.address(at.key("listen"), s.Listen)
	l.address(at.key("admin"), s.Admin)
	if s.Admin == s.Listen && !strings.HasSuffix(s.Admin, ":0") { // port 0 is another one each time
		l.fault(at.key("admin"), "is the same as listen: want another port")
	}
	public := at.key("public_url")
	switch {
	case s.PublicURL != "":
		s.PublicURL = l.baseURL(public, s.PublicURL)
	case c.SignalWire.Unsigned && loopback(s.Listen):
		s.PublicURL = "http://" + s.Listen
	default:
		l.fault(public, "missing: want the URL under which SignalWire reaches this server, such as https://hooks.example.com")
	}
	cert, key := at.key("tls_cert"), at.key("tls_key")
	s.TLSCert, s.TLSKey = l.beside(s.TLSCert), l.beside(s.TLSKey)
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
	case s.TLSKey == "":
		l.fault(cert, "want tls_key too")
	case s.TLSCert == "":
		l.fault(key, "want tls_cert too")
	default:
		l.checkCertificate(cert, key, s)
	}
}

// checkCertificate reads the certificate and its key, as the server will do.
func (l *loader) checkCertificate(cert, key place, s *Server) {
	chain, err := readFile(s.TLSCert, maxSize)
	if err != nil {
		l.broken(cert, "the file %v", err)
	}
	private, err := readFile(s.TLSKey, maxSize)
	if err != nil {
		l.broken(key, "the file %v", err)
	}
	if l.unread[cert.path] || l.unread[key.path] {
		return
	}
	if _, err := tls.X509KeyPair(chain, private); err != nil {
		l.fault(cert, "want a PEM certificate and tls_key its key: %v", err)
	}
}

func (l *loader) checkAdmin(at place, c *Config) {
	names := make(map[string]bool)
	for i, u := range c.Admin.Users {
		user := at.key("user").item(i, map[string]any{"name": u.Name})
		l.uniqueName(user.key("name"), u.Name, names)
		if strings.Contains(u.Name, ":") {
			l.fault(user.key("name"), "want one without a colon, which HTTP's basic authentication cannot carry")
		}
		if _, err := bcrypt.Cost([]byte(u.PasswordHash)); err != nil {
			l.fault(user.key("password_hash"), "want a bcrypt hash, which begins with $2a$ or $2b$, such as htpasswd -nB writes")
		}
	}
	if len(c.Admin.Users) == 0 && !l.isUnread("admin.user") && !loopback(c.Server.Admin) {
		l.fault(place{"server.admin", "server: admin: "}, "others can reach it: want [[admin.user]], or a loopback address such as 127.0.0.1:8081")
	}
}

func (l *loader) checkStore(at place, s *Store) {
	const want = "want sqlite:FILE, such as sqlite:ringpost.db, or postgres://USER@HOST/DATABASE"
	scheme, rest, _ := strings.Cut(string(s.URL), ":")
	switch {
	case scheme == "postgres" || scheme == "postgresql":
		if u, err := url.Parse(string(s.URL)); err != nil || u.Host == "" && u.Query().Get("host") == "" || u.Path == "" {
			l.fault(at.key("url"), want)
		}
	case scheme != "sqlite" || rest == "":
		l.fault(at.key("url"), want)
	case rest == ":memory:":
		l.fault(at.key("url"), "what is stored must outlive the process: want sqlite:FILE")
	}
	if s.Keep < time.Hour {
		l.fault(at.key("keep"), "want at least 1h")
	}
}

// checkLinks checks what links do, once it is known how long anything is kept.
func (l *loader) checkLinks(at place, c *Config) {
	ttl := at.key("ttl")
	switch {
	case !l.has(ttl):
		c.Links.TTL = min(c.Links.TTL, c.Store.Keep)
	case c.Links.TTL < time.Minute:
		l.fault(ttl, "want at least 1m, such as 30d")
	case c.Links.TTL > c.Store.Keep && !l.isUnread("store.keep"):
		l.fault(ttl, "links are forgotten with their recordings: want no more than keep of [store]")
	case c.Links.TTL < c.Delivery.GiveUpAfter && !l.isUnread("delivery.give_up_after"):
		l.warn(ttl, "shorter than give_up_after of [delivery]: a message that is delivered late may hold a link that has expired")
	}
	for i, host := range c.Links.AllowHosts {
		c.Links.AllowHosts[i] = strings.ToLower(host)
		if _, err := netip.ParseAddr(host); err == nil || !hostName.MatchString(host) {
			l.fault(at.key("allow_hosts").item(i, host), "want a host name alone, such as recordings.example.com")
		}
	}
}

func (l *loader) checkSignalWire(at place, c *Config) {
	s := &c.SignalWire
	if s.Space != "" && !hostName.MatchString(s.Space) {
		l.fault(at.key("space"), "want a host name alone, such as example.signalwire.com")
	}
	api := at.key("api_url")
	switch {
	case s.APIURL != "":
		s.APIURL = l.baseURL(api, s.APIURL)
		if u, err := url.Parse(s.APIURL); err == nil && u.Scheme == "http" && !loopback(u.Host) {
			l.warn(api, "the token travels unencrypted: want https")
		}
	case s.Space != "":
		s.APIURL = "https://" + s.Space
	}
	if s.LookupTimeout < time.Second || s.LookupTimeout > time.Hour {
		l.fault(at.key("lookup_timeout"), "want 1s to 1h, such as 2m")
	}
	l.checkSigning(at, c)
	for _, ch := range c.Channels {
		switch {
		case ch.Kind == render.SMS:
			l.needed(at, s, "an SMS channel needs it")
			return
		case ch.DeleteAtSource:
			l.needed(at, s, "recordings are deleted there with it (delete_at_source)")
			return
		}
	}
}

// needed reports what the REST API wants and is not given.
func (l *loader) needed(at place, s *SignalWire, why string) {
	for _, own := range []struct{ key, value string }{{"space", s.Space}, {"project", s.Project}, {"token", string(s.Token)}} {
		if own.value == "" {
			l.fault(at.key(own.key), "missing: %s", why)
		}
	}
}

// checkSigning checks that callbacks can be verified, or need not be.
func (l *loader) checkSigning(at place, c *Config) {
	s, keys := &c.SignalWire, at.key("signing_keys")
	if s.Unsigned && !l.unread["server.listen"] && !loopback(c.Server.Listen) {
		l.fault(at.key("unsigned"), "anybody could post callbacks: want a loopback address for listen, or signatures")
	}
	if len(s.SigningKeys) == 0 && !s.Unsigned {
		l.fault(keys, "missing: want the project's Signing Key (PSK_…), or unsigned = true for a trial")
	}
	for i, key := range s.SigningKeys {
		switch at := keys.item(i, key); {
		case key == "":
			l.fault(at, "is empty: want a Signing Key (PSK_…)")
		case key == s.Token, strings.HasPrefix(string(key), "PT"):
			l.warn(at, "this looks like the API token, which signs nothing: want the project's Signing Key (PSK_…)")
		}
	}
}

func (l *loader) checkDelivery(at place, d *Delivery) {
	if d.FirstRetry < time.Millisecond {
		l.fault(at.key("first_retry"), "want at least 1ms")
	}
	if d.MaxRetry < d.FirstRetry {
		l.fault(at.key("max_retry"), "want at least first_retry, %v", d.FirstRetry)
	}
	if d.GiveUpAfter < d.FirstRetry {
		l.fault(at.key("give_up_after"), "want at least first_retry, %v", d.FirstRetry)
	}
}

// minLook is the shortest time from one look to the next: what a look costs is the
// provider's.
const minLook = 30 * time.Second

func (l *loader) checkWatch(at place, c *Config) {
	w, up, missing := &c.Watch, at.key("catch_up"), at.key("missing_after")
	if w.CatchUp != 0 && w.CatchUp < Period(minLook) {
		l.fault(up, "want at least %v, or \"off\"", minLook)
	}
	if w.MissingAfter != 0 && w.MissingAfter < Period(time.Minute) {
		l.fault(missing, "want at least 1m, or \"off\"")
	}
	if w.MissingAfter >= Period(c.Store.Keep) && c.Store.Keep >= time.Hour && l.has(missing) {
		l.fault(missing, "want less than [store] keep, %v: what is older is forgotten", c.Store.Keep)
	}
	if l.has(up) && w.CatchUp != 0 && !c.SignalWire.Callable() && !l.callableIsUnread() {
		l.warn(up, "nobody is asked: want [signalwire] space, project and token too")
	}
}

// callableIsUnread reports whether it is not known if the API can be asked.
func (l *loader) callableIsUnread() bool {
	return slices.ContainsFunc([]string{"space", "api_url", "project", "token"}, func(key string) bool { return l.isUnread("signalwire." + key) })
}

// address checks an address to listen on.
func (l *loader) address(at place, s string) {
	_, port, err := net.SplitHostPort(s)
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || portErr != nil || n == 0 && port != "0" {
		l.broken(at, "want host:port, such as 127.0.0.1:8080")
	}
}

// baseURL checks a URL that paths are added to and returns it without a slash
// at its end.
func (l *loader) baseURL(at place, s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || strings.ContainsAny(s, "?#") {
		l.fault(at, "want an http or https URL without user, query and fragment, such as https://hooks.example.com")
	}
	return strings.TrimSuffix(s, "/")
}

// loopback reports whether only this machine reaches an address, which may lack
// a port.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = strings.Trim(address, "[]")
	}
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}
