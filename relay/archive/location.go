package archive

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The kinds of store that recordings are kept in, which are the schemes of their
// URLs.
const (
	S3    = "s3"
	Azure = "azblob"
	File  = "file"
)

// Location is where recordings are kept.
type Location struct {
	Kind     string
	Bucket   string // or container
	Prefix   string // of every path in the bucket; without slashes around it
	Region   string // of S3
	Endpoint string // such as https://s3.example.com, without a slash at its end; empty for the kind's own
	Dir      string // of files
}

var (
	// bucketName is what S3 and Azure both allow.
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionName = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)
)

// wantURL is what a URL must be like.
const wantURL = `want "s3://BUCKET/PREFIX?region=eu-central-1", with &endpoint=https://… where it is not Amazon's, ` +
	`"azblob://CONTAINER/PREFIX", or "file:///FOLDER"`

// ParseURL reads s3://bucket/prefix?region=…&endpoint=…,
// azblob://container/prefix?endpoint=… or file:///dir. Its errors say what would
// be right, and hold nothing of raw.
func ParseURL(raw string) (Location, error) {
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return Location{}, errors.New(wantURL)
	}
	l := Location{Kind: u.Scheme, Bucket: u.Host}
	var known []string
	switch u.Scheme {
	case File:
		if u.Host != "" || !path.IsAbs(u.Path) || path.Clean(u.Path) == "/" {
			return l, errors.New(`want "file:///FOLDER": three slashes, and a folder below the root`)
		}
		l.Dir = path.Clean(u.Path)
	case S3:
		known = []string{"region", "endpoint"}
	case Azure:
		known = []string{"endpoint"}
	default:
		return l, errors.New(wantURL)
	}
	if err := l.setOptions(u.Query(), known); err != nil || l.Kind == File {
		return l, err
	}
	if !bucketName.MatchString(l.Bucket) || strings.Contains(l.Bucket, "..") {
		return l, fmt.Errorf("%s:// wants the bucket's name next: small letters, digits and hyphens", l.Kind)
	}
	l.Prefix = strings.Trim(u.Path, "/")
	if l.Prefix != "" && !Clean(l.Prefix) {
		return l, errors.New("the prefix is not usable: want letters, digits, . _ - and single slashes")
	}
	if l.Kind == S3 && l.Region == "" {
		if l.Endpoint == "" {
			return l, errors.New("want the bucket's region, as in s3://BUCKET/PREFIX?region=eu-central-1")
		}
		l.Region = "us-east-1" // what most servers beside Amazon's are called
	}
	return l, nil
}

// setOptions reads what is behind the question mark.
func (l *Location) setOptions(options url.Values, known []string) error {
	for name, values := range options {
		if !slices.Contains(known, name) || len(values) != 1 {
			if len(known) == 0 {
				return fmt.Errorf("%s:// has no options", l.Kind)
			}
			return fmt.Errorf("behind the ? want %s, each once", strings.Join(known, " and "))
		}
	}
	if l.Region = options.Get("region"); options.Has("region") && !regionName.MatchString(l.Region) {
		return errors.New("region: want a name such as eu-central-1")
	}
	if !options.Has("endpoint") {
		return nil
	}
	e, err := url.Parse(options.Get("endpoint"))
	if err != nil || e.Scheme != "https" && e.Scheme != "http" || e.Hostname() == "" || e.User != nil || e.RawQuery != "" || e.Fragment != "" ||
		l.Kind == S3 && strings.Trim(e.Path, "/") != "" {
		return errors.New("endpoint: want the server's address, such as https://s3.example.com")
	}
	l.Endpoint = strings.TrimRight(e.String(), "/")
	return nil
}
