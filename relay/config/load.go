package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// maxSize bounds a configuration file, and maxSecret a file with a secret.
const (
	maxSize   = 1 << 20
	maxSecret = 64 << 10
)

// Mode says what a configuration is loaded for.
type Mode int

const (
	// Serve is for a service that is to run with it: a variable that is not set
	// in the environment is an error.
	Serve Mode = iota
	// Check is for a look at it, perhaps on another machine: a variable that is
	// not set is a warning, and counts as a value that is right.
	Check
)

// Problem is what is wrong at one place and what would be right. It holds no
// secret.
type Problem struct {
	File    string
	Line    int // 0 where it concerns the whole file
	Text    string
	Warning bool // the configuration can be used all the same
}

func (p Problem) String() string {
	text := p.Text
	if p.Warning {
		text = "warning: " + text
	}
	if p.Line == 0 {
		return p.File + ": " + text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, text)
}

// Load reads the configuration file at path with the process's environment. It
// returns every problem, in the order of their lines; the Config is nil where
// one of them is not a warning.
func Load(path string, mode Mode) (*Config, []Problem) {
	src, err := readFile(path, maxSize)
	if err != nil {
		return nil, []Problem{{File: path, Text: err.Error()}}
	}
	return Parse(path, src, os.LookupEnv, mode)
}

// Parse is [Load] for the contents of a file and another environment. The files
// that src names are looked for beside the file called name.
func Parse(name string, src []byte, env func(string) (string, bool), mode Mode) (*Config, []Problem) {
	text := strings.TrimPrefix(string(src), "\ufeff")
	var doc map[string]any
	if _, err := toml.Decode(text, &doc); err != nil {
		return nil, []Problem{syntaxProblem(name, text, err)}
	}
	l := &loader{
		file: name, env: env, mode: mode, lines: readLines(text),
		unread: make(map[string]bool), incomplete: make(map[string]bool),
	}
	c := defaults()
	c.File, c.lines = name, l.lines
	l.table(place{}, doc, reflect.ValueOf(c).Elem())
	l.check(c)
	slices.SortStableFunc(l.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	if slices.ContainsFunc(l.problems, func(p Problem) bool { return !p.Warning }) {
		return nil, l.problems
	}
	return c, l.problems
}

// quotedValue is how the TOML library cites a value of the file, which may be a
// secret. It puts keys in single quotes.
var quotedValue = regexp.MustCompile(`"(\\.|[^"\\])+"`)

// syntaxProblem returns what keeps src from being TOML. Its line is that where
// the faulty piece begins, since the library's own may be the one after it.
func syntaxProblem(file, src string, err error) Problem {
	p := Problem{File: file, Line: 1, Text: err.Error()}
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		begin := max(0, min(e.Position.Start, len(src)))
		p.Line, p.Text = 1+strings.Count(src[:begin], "\n"), e.Message
	}
	p.Text = quotedValue.ReplaceAllString(p.Text, `"…"`)
	return p
}

// loader is one reading of one file.
type loader struct {
	file     string
	env      func(string) (string, bool)
	mode     Mode
	lines    lines
	problems []Problem

	// What is found at these places later is but a consequence of what is
	// reported already, and kept back.
	unread     map[string]bool // whose value is not known, and so nothing below it
	incomplete map[string]bool // tables and lists that have something unread in them
}

// fault says what is wrong at a place.
func (l *loader) fault(at place, format string, args ...any) {
	l.report(at.path, false, at.label+fmt.Sprintf(format, args...))
}

// warn is [loader.fault] for what can be used all the same.
func (l *loader) warn(at place, text string) {
	l.report(at.path, true, at.label+text)
}

func (l *loader) report(path string, warning bool, text string) {
	if !l.incomplete[path] && !l.isUnread(path) {
		l.problems = append(l.problems, Problem{File: l.file, Line: l.lines.of(path), Text: text, Warning: warning})
	}
}

// isUnread reports whether the value of path is not known.
func (l *loader) isUnread(path string) bool {
	for ; path != ""; path = parent(path) {
		if l.unread[path] {
			return true
		}
	}
	return false
}

// broken is [loader.fault] for a value that cannot be read at all.
func (l *loader) broken(at place, format string, args ...any) {
	l.fault(at, format, args...)
	l.unread[at.path] = true
	l.leaveIncomplete(parent(at.path))
}

// leaveIncomplete says that something in the table or list at path is missing
// that the file meant to say.
func (l *loader) leaveIncomplete(path string) {
	for ; path != ""; path = parent(path) {
		l.incomplete[path] = true
	}
}

// has reports whether the file has the key.
func (l *loader) has(at place) bool {
	_, ok := l.lines[at.path]
	return ok
}

// beside returns where the file called name is; see the package's comment.
func (l *loader) beside(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(l.file), name)
}

// place is a place in the file.
type place struct {
	path  string // as in [lines]
	label string // for people, as in: channel "email": port:
}

func (p place) key(name string) place {
	return place{join(p.path, name), p.label + name + ": "}
}

// named is a table that the user has named, as in channel "email".
func (p place) named(name string) place {
	return place{join(p.path, name), fmt.Sprintf("%s %q: ", strings.TrimSuffix(p.label, ": "), name)}
}

// item is an element of an array. A table is called by its name, if it has
// one, or its index; anything else goes by the array's label.
func (p place) item(i int, v any) place {
	at := place{element(p.path, i), p.label}
	if table, ok := v.(map[string]any); ok {
		at.label = element(strings.TrimSuffix(p.label, ": "), i) + ": "
		if name, ok := table["name"].(string); ok && name != "" {
			at.label = fmt.Sprintf("%s %q: ", strings.TrimSuffix(p.label, ": "), name)
		}
	}
	return at
}

// readFile reads a file of no more than limit bytes. Its error leaves the
// file's name to the caller.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, unreadable(err)
	}
	if int64(len(src)) > limit {
		return nil, fmt.Errorf("is too long: want at most %d KiB", limit>>10)
	}
	return src, nil
}

func unreadable(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("cannot be read: %w", err)
}
