package config

import (
	"fmt"
	"strings"

	"github.com/BurntSushi/toml"
)

// lines tells where every table, key and array element of a TOML document
// stands, by its path, such as rule[1].send[0].via or group.managers[2]. The
// parts of a path stand as they are, without quotes. The TOML library knows a
// single line for all elements of an array; so this reads the source itself.
type lines map[string]int

// readLines reads src, which the TOML library must have accepted: it tells
// where things are, not whether they are right.
func readLines(src string) lines {
	s := scanner{rest: src, line: 1, lines: make(lines), tables: make(map[string]int)}
	table := ""
	for s.skip(); s.rest != ""; s.skip() {
		if s.accept("[") {
			table = s.header()
		} else {
			s.pair(table)
		}
	}
	return s.lines
}

// of returns the line of path or, where that does not stand in the file, of
// the nearest part of it that does. It is 1 where there is none.
func (l lines) of(path string) int {
	for ; path != ""; path = parent(path) {
		if line, ok := l[path]; ok {
			return line
		}
	}
	return 1
}

// add says that path stands at line, unless it was met before: a table begins
// where its first key is.
func (l lines) add(path string, line int) {
	if _, ok := l[path]; !ok {
		l[path] = line
	}
}

// scanner walks over a TOML document (https://toml.io/en/v1.1.0).
type scanner struct {
	rest   string // what is left to read
	line   int    // where rest begins
	lines  lines
	tables map[string]int // how many [[path]] there were so far
}

// header reads what follows the [ of [table] or [[table]] and returns the
// table's path.
func (s *scanner) header() string {
	array := s.accept("[")
	path := s.path("", array)
	s.accept("]")
	if array {
		s.accept("]")
	}
	return path
}

// pair reads one key = value of the table.
func (s *scanner) pair(table string) {
	path := s.path(table, false)
	s.accept("=")
	s.value(path)
}

// path reads a key in the table and returns its path, which goes through the
// newest element of every array of tables, or through a new one of the last.
func (s *scanner) path(table string, grow bool) string {
	line, path := s.line, table
	parts := s.key()
	for i, part := range parts {
		path = join(path, part)
		s.lines.add(path, line)
		if grow && i == len(parts)-1 {
			s.tables[path]++
		}
		if n := s.tables[path]; n > 0 {
			path = element(path, n-1)
			s.lines.add(path, line)
		}
	}
	return path
}

// key reads the parts of a key and the space after it.
func (s *scanner) key() (parts []string) {
	for {
		s.skip()
		if strings.HasPrefix(s.rest, `"`) || strings.HasPrefix(s.rest, `'`) {
			parts = append(parts, unquote(s.quoted()))
		} else {
			parts = append(parts, s.until(" \t\r\n.=]#"))
		}
		s.skip()
		if !s.accept(".") {
			return parts
		}
	}
}

// value reads the value of path. It takes at least one byte, so that a scan
// ends whatever the document.
func (s *scanner) value(path string) {
	s.skip()
	switch {
	case s.accept("["):
		for i := 0; s.more("]"); i++ {
			s.lines.add(element(path, i), s.line)
			s.value(element(path, i))
		}
	case s.accept("{"):
		for s.more("}") {
			s.pair(path)
		}
	case strings.HasPrefix(s.rest, `"`), strings.HasPrefix(s.rest, `'`):
		s.quoted()
	default:
		if s.until(",]}#\n") == "" {
			s.take(1)
		}
	}
}

// more reports whether another element stands before end, which it reads.
func (s *scanner) more(end string) bool {
	for s.skip(); s.accept(","); s.skip() {
	}
	return !s.accept(end) && s.rest != ""
}

// quoted reads a string of any of the four kinds and returns it with its quotes.
func (s *scanner) quoted() string {
	quote, trailing := s.rest[:1], 0
	if long := strings.Repeat(quote, 3); strings.HasPrefix(s.rest, long) {
		quote, trailing = long, 2 // """a quote at the end""""
	}
	n := len(quote)
	for n < len(s.rest) && !strings.HasPrefix(s.rest[n:], quote) {
		if s.rest[n] == '\\' && quote[0] == '"' {
			n++
		}
		n++
	}
	for n += len(quote); trailing > 0 && n < len(s.rest) && s.rest[n] == quote[0]; trailing-- {
		n++
	}
	return s.take(n)
}

// skip reads space, newlines and comments.
func (s *scanner) skip() {
	for {
		s.take(len(s.rest) - len(strings.TrimLeft(s.rest, " \t\r\n")))
		if !strings.HasPrefix(s.rest, "#") {
			return
		}
		s.until("\n")
	}
}

// accept reads token if it comes next.
func (s *scanner) accept(token string) bool {
	ok := strings.HasPrefix(s.rest, token)
	if ok {
		s.take(len(token))
	}
	return ok
}

// until reads up to any of the characters in stop, or to the end.
func (s *scanner) until(stop string) string {
	n := strings.IndexAny(s.rest, stop)
	if n < 0 {
		n = len(s.rest)
	}
	return s.take(n)
}

// take reads n bytes, or as many as are left.
func (s *scanner) take(n int) string {
	taken := s.rest[:min(n, len(s.rest))]
	s.rest = s.rest[len(taken):]
	s.line += strings.Count(taken, "\n")
	return taken
}

// unquote returns what the quoted key stands for.
func unquote(quoted string) string {
	var doc struct{ Key string }
	if _, err := toml.Decode("key = "+quoted, &doc); err != nil {
		return quoted
	}
	return doc.Key
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// parent returns the path of the table or array that path is in.
func parent(path string) string { return path[:max(0, strings.LastIndexAny(path, ".["))] }

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
