package config_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"

	"ringpost/relay/config"
)

func TestLinesAreThoseOfTheSource(t *testing.T) {
	src := strings.ReplaceAll(`# a comment with = and [table]
title = """
[not.a.table]
quotes "" and \""" and five at the end"""""
[[rule]]
name = 'first # no comment'
[[rule]] # the second
"na\u006de" = "second"
query.agent = "a"
query.'no. 2' = "b"
send = [ # two
  { via = "email", to = ["x",
    "y"] }, { via = "sms",
  to = '''
[[rule]]
''' },
]
[rule.unless]
status = "failed"
[[rule.more]]
[[rule.more]]
deep = [[1, 2], [
  3]]
[ contact . "a.b" ]
email = "a@example.com"
`, "\n", "\r\n")
	for _, doc := range []string{src, strings.ReplaceAll(src, "\r", "")} {
		lines := config.ReadLines(doc)
		for path, want := range map[string]int{
			"title": 2, "rule": 5, "rule[0]": 5, "rule[0].name": 6, "rule[1]": 7, "rule[1].name": 8,
			"rule[1].query": 9, "rule[1].query.agent": 9, "rule[1].query.no. 2": 10,
			"rule[1].send": 11, "rule[1].send[0]": 12, "rule[1].send[0].via": 12, "rule[1].send[0].to[1]": 13,
			"rule[1].send[1]": 13, "rule[1].send[1].via": 13, "rule[1].send[1].to": 14,
			"rule[1].unless.status": 19, "rule[1].more[1]": 21, "rule[1].more[1].deep[1][0]": 23,
			"contact": 24, "contact.a.b.email": 25,
		} {
			if got := lines[path]; got != want {
				t.Errorf("ReadLines: %s is at line %d, want %d", path, got, want)
			}
		}
	}
}

func FuzzLinesKnowEveryPathThatTheLibraryKnows(f *testing.F) {
	for _, src := range []string{
		"a = 1",
		"[a.b]\nc=1\n[a]\nd=[1,[2,{x=1}]]",
		"[[a]]\nb.c=1\n[[a]]\n[a.d]\n[[a.e]]\nx=''\n",
		"a = { b = [\n{c=1}, # x ]\n{d='''\n'''''}\n] }\r\n'q.r'.\"s\\u0041\" = \"\"\"\\\"\n\"\"\"\"\"",
		"[[a.b]]\n[a]\nb.c = 1",
		"d=1979-05-27 07:32:00\nf=-inf\n\"\"=[]",
	} {
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src string) {
		lines := config.ReadLines(src)
		var doc map[string]any
		_, err := toml.Decode(src, &doc)
		if err != nil || !utf8.ValidString(src) || strings.HasPrefix(src, "\ufeff") {
			return
		}
		want := make(map[string]bool)
		collect(want, "", doc)
		got := slices.Sorted(maps.Keys(lines))
		if want := slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Errorf("ReadLines(%q)\n got %q\nwant %q", src, got, want)
		}
		for _, line := range lines {
			if last := strings.Count(src, "\n") + 1; line < 1 || line > last {
				t.Errorf("ReadLines(%q): line %d, want 1 to %d", src, line, last)
			}
		}
	})
}

// collect adds the path of everything in v, which stands at path.
func collect(paths map[string]bool, path string, v any) {
	add := func(path string, v any) {
		paths[path] = true
		collect(paths, path, v)
	}
	switch v := v.(type) {
	case map[string]any:
		for key, e := range v {
			if path != "" {
				key = path + "." + key
			}
			add(key, e)
		}
	case []map[string]any:
		for i, e := range v {
			add(fmt.Sprintf("%s[%d]", path, i), e)
		}
	case []any:
		for i, e := range v {
			add(fmt.Sprintf("%s[%d]", path, i), e)
		}
	}
}
