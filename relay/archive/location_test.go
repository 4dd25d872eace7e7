package archive_test

import (
	"strings"
	"testing"

	"ringpost/relay/archive"
)

func TestParseURLReadsWhereRecordingsAreKept(t *testing.T) {
	for raw, want := range map[string]archive.Location{
		"s3://calls?region=eu-central-1":                     {Kind: "s3", Bucket: "calls", Region: "eu-central-1"},
		"s3://calls/a/b/?region=eu-central-1":                {Kind: "s3", Bucket: "calls", Prefix: "a/b", Region: "eu-central-1"},
		"s3://calls?endpoint=https://s3.example.com":         {Kind: "s3", Bucket: "calls", Region: "us-east-1", Endpoint: "https://s3.example.com"},
		"s3://calls?endpoint=http%3A%2F%2F127.0.0.1%3A7070/": {Kind: "s3", Bucket: "calls", Region: "us-east-1", Endpoint: "http://127.0.0.1:7070"},
		"azblob://calls": {Kind: "azblob", Bucket: "calls"},
		"azblob://calls/a?endpoint=http://127.0.0.1:10000/name": {Kind: "azblob", Bucket: "calls", Prefix: "a", Endpoint: "http://127.0.0.1:10000/name"},
		"file:///var/lib/recordings/":                           {Kind: "file", Dir: "/var/lib/recordings"},
	} {
		if got, err := archive.ParseURL(raw); err != nil || got != want {
			t.Errorf("ParseURL(%q) = %+v, %v; want %+v", raw, got, err, want)
		}
	}
}

func TestParseURLSaysWhatWouldBeRight(t *testing.T) {
	for raw, want := range map[string]string{
		"":                                `want "s3://BUCKET/PREFIX?region=`,
		"/var/lib":                        `want "s3://`,
		"gs://calls":                      `want "s3://`,
		"s3://key:secret@calls?region=x":  `want "s3://`,
		"s3://calls#x":                    `want "s3://`,
		"%":                               `want "s3://`,
		"s3://calls":                      "want the bucket's region",
		"s3://Calls?region=eu":            "bucket's name",
		"s3://ca..lls?region=eu":          "bucket's name",
		"s3:///calls?region=eu":           "bucket's name",
		"azblob://":                       "bucket's name",
		"s3://calls/../x?region=eu":       "the prefix is not usable",
		"s3://calls/a//b?region=eu":       "the prefix is not usable",
		"s3://calls/a%20b?region=eu":      "the prefix is not usable",
		"s3://calls?region=":              "want a name such as eu-central-1",
		"s3://calls?regoin=eu":            "behind the ? want region and endpoint",
		"s3://calls?region=a&region=b":    "each once",
		"azblob://calls?region=eu":        "behind the ? want endpoint",
		"s3://calls?endpoint=s3.exam.com": "want the server's address",
		"s3://calls?endpoint=https://x/y": "want the server's address",
		"s3://calls?endpoint=https://a@x": "want the server's address",
		"azblob://calls?endpoint=ftp://x": "want the server's address",
		"file://recordings":               "three slashes",
		"file://localhost/recordings":     "three slashes",
		"file:///":                        "below the root",
		"file:///a?region=eu":             "file:// has no options",
		"file:relative":                   `want "s3://`,
	} {
		if _, err := archive.ParseURL(raw); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("ParseURL(%q) = %v, want an error with %q", raw, err, want)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://calls/a?region=eu-central-1&endpoint=https://s3.example.com")
	f.Add("azblob://calls/%2e%2e/x")
	f.Add("file:///a/../../b")
	f.Fuzz(func(t *testing.T, raw string) {
		l, err := archive.ParseURL(raw)
		if err != nil {
			return
		}
		if l.Prefix != "" && !archive.Clean(l.Prefix) || strings.Contains(l.Dir, "..") && strings.Contains(l.Dir, "/../") {
			t.Errorf("ParseURL(%q) = %+v, want no way out", raw, l)
		}
		if _, err := archive.New(archive.Config{URL: raw, AccessKey: "a", SecretKey: "b", Account: "a", Key: "YQ=="}); err != nil {
			t.Errorf("New with %q = %v, though ParseURL takes it", raw, err)
		}
	})
}
