package config_test

import (
	"testing"

	"ringpost/relay/config"
	"ringpost/relay/render"
)

func TestAnArchiveHasDefaultsAndItsRuleAPath(t *testing.T) {
	src := base + `
[channel.archive]
url = "s3://calls?region=eu-central-1"
access_key = "${KEY}"
secret_key = "secret"
[channel.vault]
kind = "archive"
url = "azblob://calls/vault"
account = "recordings"
key = "c2VjcmV0"
path = '{{index .Query "agent"}}/{{.RecordingSid}}.wav'
connections = 1
[[rule]]
name = "keep"
status = "completed"
send = [{ via = "archive" }, { via = "vault" }]
[[test]]
name = "kept"
callback = { RecordingStatus = "completed", RecordingSid = "rec-1" }
query = { agent = "alice" }
expect = ["archive:2025/03/14/rec-1.mp3", "vault:alice/rec-1.wav"]
`
	c := mustParse(t, src, map[string]string{"KEY": "AKIA1"})
	archive, vault := c.Channels["archive"], c.Channels["vault"]
	if archive.Kind != render.Archive || archive.Connections != 2 || archive.Path != render.DefaultPath || archive.AccessKey != "AKIA1" ||
		archive.DeleteAtSource || vault.Connections != 1 {
		t.Errorf("the channels are %+v and %+v, want them with their defaults", archive, vault)
	}
	book := c.Rules.Definition().Book
	if book.Paths["archive"] != render.DefaultPath || book.Paths["vault"] != vault.Path || len(book.Paths) != 2 {
		t.Errorf("the book's paths are %v, want those of both", book.Paths)
	}
	// For a look at it on another machine, where the secrets are not.
	if _, problems := parse(src, nil, config.Check); len(problems) != 1 || !problems[0].Warning {
		t.Errorf("Parse for check: got %v, want a warning of what is not set", problems)
	}
}
