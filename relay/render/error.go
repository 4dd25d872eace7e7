package render

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ringpost/relay/callback"
)

// Error is a fault in a template's file.
type Error struct {
	File string
	Line int
	Text string // what is wrong; it may quote the template, never a value
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Text) }

// locate turns an error of the template packages, whose template is named after
// its file, into one for people. An error without a line is the first line's.
func locate(file string, err error) *Error {
	e := &Error{file, 1, err.Error()}
	text, ok := strings.CutPrefix(strings.TrimPrefix(e.Text, "html/"), "template:")
	if !ok {
		return e
	}
	text = strings.TrimPrefix(strings.TrimSpace(text), file+":")
	if m := position.FindStringSubmatch(text); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
	}
	e.Text = plain(strings.TrimSpace(text))
	return e
}

// unlocated returns the words of an error of a template that has no file.
func unlocated(err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return errors.New(e.Text)
	}
	return err
}

var (
	position      = regexp.MustCompile(`^(\d+):(?:\d+:)?`)
	executing     = regexp.MustCompile(`^executing ".*?" at (<.*?>): `)
	unknownField  = regexp.MustCompile(`can't evaluate field (\w+) in type \*render\.view$`)
	unknownInCall = regexp.MustCompile(`can't evaluate field (\w+) in type \*callback\.Call$`)
	missingQuery  = regexp.MustCompile(`<\$?\.Query\.\w+>: map has no entry for key "(.*)"$`)
	missing       = regexp.MustCompile(`(?:<\$?\.Fields\.\w+>: )?map has no entry for key "(.*)"$`)
	// quotes is what the template package says with values of the callback after it.
	quotes = regexp.MustCompile(`(range can't iterate over|non-comparable type)(?s:.*)`)
)

// plain puts what the template packages say into the words of those who write
// templates.
func plain(text string) string {
	text = strings.Replace(text, "error calling Link: ", "", 1)
	text = executing.ReplaceAllString(text, "$1: ")
	text = unknownField.ReplaceAllString(text, "there is no field $1 (have "+fieldNames+")")
	text = unknownInCall.ReplaceAllString(text, "the call has no field $1 (have "+callFields+")")
	text = missingQuery.ReplaceAllString(text, "?$1= is missing from the callback's address")
	text = missing.ReplaceAllString(text, "the callback has no $1")
	return quotes.ReplaceAllString(text, "$1 this")
}

// fieldNames lists what a template sees, and callFields what it sees of the call.
var (
	fieldNames = fieldsOf(reflect.TypeFor[view](), "Link", "Recordings")
	callFields = fieldsOf(reflect.TypeFor[callback.Call]())
)

func fieldsOf(t reflect.Type, names ...string) string {
	for f := range t.Fields() {
		if f.IsExported() {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}
