package config

import (
	"encoding/base64"
	"net/url"
	"regexp"

	"ringpost/relay/archive"
	"ringpost/relay/render"
)

// storageAccount is the name of an account of Azure's Blob Storage.
var storageAccount = regexp.MustCompile(`^[a-z0-9]{3,24}$`)

// checkArchive completes and checks an archive.
func (l *loader) checkArchive(at place, ch *Channel) {
	if !l.has(at.key("path")) {
		ch.Path = render.DefaultPath
	} else if _, err := render.ParsePath(ch.Path); err != nil && !l.isUnread(at.key("path").path) {
		l.fault(at.key("path"), "%v", err)
		ch.Path = ""
	}
	where, err := archive.ParseURL(ch.URL)
	if err != nil {
		if !l.has(at.key("url")) {
			l.fault(at.key("url"), "missing: %v", err)
		} else {
			l.fault(at.key("url"), "%v", err)
		}
		return
	}
	if e, err := url.Parse(where.Endpoint); err == nil && e.Scheme == "http" && !loopback(e.Host) {
		l.warn(at.key("url"), "recordings travel unencrypted: want https for the endpoint")
	}
	own := map[string][]string{archive.S3: {"access_key", "secret_key"}, archive.Azure: {"account", "key"}}
	given := map[string]string{"access_key": ch.AccessKey, "secret_key": string(ch.SecretKey), "account": ch.Account, "key": string(ch.Key)}
	for kind, keys := range own {
		for _, key := range keys {
			switch {
			case kind == where.Kind && given[key] == "":
				l.fault(at.key(key), "missing: %s:// needs it", kind)
			case kind != where.Kind && given[key] != "":
				l.fault(at.key(key), "only %s:// has it", kind)
			}
		}
	}
	if where.Kind != archive.Azure {
		return
	}
	if _, err := base64.StdEncoding.DecodeString(string(ch.Key)); err != nil {
		l.fault(at.key("key"), "want an access key of the storage account, which is in base64")
	}
	if ch.Account != "" && !storageAccount.MatchString(ch.Account) {
		l.fault(at.key("account"), "want the name of the storage account: 3 to 24 small letters and digits")
	}
}

// archivePaths returns the templates of the paths of archives, but for those that
// are faulty.
func archivePaths(c *Config) map[string]string {
	paths := make(map[string]string)
	for name, ch := range c.Channels {
		if ch.Kind == render.Archive && ch.Path != "" {
			paths[name] = ch.Path
		}
	}
	return paths
}
