package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/agnivade/levenshtein"
)

// The library's decoder stops at the first value of a wrong type. So the
// library decodes into maps, where no type is wrong, and these are copied from
// there into the structs by the same tags.

var (
	secretType  = reflect.TypeFor[Secret]()
	secretsType = reflect.TypeFor[[]Secret]()
	fieldsType  = reflect.TypeFor[Fields]()
)

// table copies a table into a struct.
func (l *loader) table(at place, src map[string]any, dst reflect.Value) {
	known := make(map[string]reflect.StructField)
	for _, f := range reflect.VisibleFields(dst.Type()) {
		if key := f.Tag.Get("toml"); key != "" && key != "-" {
			known[key] = f
			if f.Type == secretType || f.Type == secretsType {
				known[key+"_file"] = f
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(src)) {
		f, ok := known[key]
		switch {
		case !ok:
			l.unknown(at, key, slices.Sorted(maps.Keys(known)))
		case key != f.Tag.Get("toml"):
			l.secretFile(at, key, src[key], dst.FieldByIndex(f.Index))
		default:
			l.value(at.key(key), src[key], dst.FieldByIndex(f.Index))
		}
	}
}

// unknown reports a key that the table at does not have.
func (l *loader) unknown(at place, key string, known []string) {
	own := join(at.path, key)
	if meant := nearest(key, known); meant != "" {
		l.report(own, false, fmt.Sprintf("%sunknown key %q: did you mean %q?", at.label, clip(key), meant))
		l.unread[join(at.path, meant)] = true
		l.unread[join(at.path, strings.TrimSuffix(meant, "_file"))] = true
	} else {
		l.report(own, false, fmt.Sprintf("%sunknown key %q (have %s)", at.label, clip(key), strings.Join(known, ", ")))
	}
	l.leaveIncomplete(at.path)
}

// value copies a value into dst, whatever its type.
func (l *loader) value(at place, src any, dst reflect.Value) {
	if u, ok := dst.Addr().Interface().(toml.Unmarshaler); ok {
		if err := u.UnmarshalTOML(l.expand(at, src)); err != nil {
			l.broken(at, "%v", err)
		}
		return
	}
	if parse, ok := parsers[dst.Type()]; ok {
		l.parsed(at, src, dst, parse)
		return
	}
	switch dst.Kind() {
	case reflect.Struct:
		if table, ok := src.(map[string]any); ok {
			l.table(at, table, dst)
			return
		}
	case reflect.Pointer:
		dst.Set(reflect.New(dst.Type().Elem()))
		l.value(at, src, dst.Elem())
		return
	case reflect.Map:
		if table, ok := src.(map[string]any); ok {
			l.entries(at, table, dst)
			return
		}
	case reflect.Slice:
		if items, ok := list(src); ok {
			dst.Set(reflect.MakeSlice(dst.Type(), len(items), len(items)))
			for i, item := range items {
				l.value(at.item(i, item), item, dst.Index(i))
			}
			return
		}
	default:
		if v := reflect.ValueOf(l.expand(at, src)); same(v.Kind(), dst.Kind()) {
			dst.Set(v.Convert(dst.Type()))
			return
		}
	}
	l.broken(at, "want %s, got %s", wanted(dst.Type()), got(src, dst.Kind()))
}

// same reports whether a value of the document, where integers have 64 bits,
// fits a field.
func same(src, dst reflect.Kind) bool {
	return src == dst || src == reflect.Int64 && dst == reflect.Int
}

// parsed copies a value that is a string of a certain form.
func (l *loader) parsed(at place, src any, dst reflect.Value, parse func(string) (reflect.Value, error)) {
	s, _ := l.expand(at, src).(string)
	v, err := parse(s)
	if err == nil {
		dst.Set(v)
	} else {
		l.broken(at, "%v, got %s", err, got(src, dst.Kind()))
	}
}

// entries copies a table with names of the user's into a map.
func (l *loader) entries(at place, src map[string]any, dst reflect.Value) {
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(src)))
	for _, name := range slices.Sorted(maps.Keys(src)) {
		entry := reflect.New(dst.Type().Elem()).Elem()
		if dst.Type() != fieldsType {
			l.value(at.named(name), src[name], entry)
		} else if s, ok := plain(l.expand(at.key(name), src[name])); ok {
			entry.SetString(s)
		} else {
			l.broken(at.key(name), "want a string, a number, true or false, got %s", got(src[name], reflect.String))
		}
		dst.SetMapIndex(reflect.ValueOf(name), entry)
	}
}

// secretFile reads the secret of KEY from the file named by KEY_file. Of a list
// of secrets, the file has one on each line.
func (l *loader) secretFile(at place, key string, src any, dst reflect.Value) {
	own := at.key(strings.TrimSuffix(key, "_file"))
	at = at.key(key)
	if l.has(own) {
		l.fault(at, "the secret is given twice: remove this or %s", strings.TrimSuffix(key, "_file"))
	}
	var name string
	l.value(at, src, reflect.ValueOf(&name).Elem())
	secret, err := readFile(l.beside(name), maxSecret)
	if err != nil {
		l.broken(at, "the file %v", err)
		l.unread[own.path] = true
		return
	}
	if dst.Type() == secretType {
		dst.SetString(strings.TrimRight(string(secret), "\r\n"))
		return
	}
	var all []Secret
	for line := range strings.Lines(string(secret)) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, Secret(line))
		}
	}
	dst.Set(reflect.ValueOf(all))
}

// expand puts the environment into the strings of a value that is no table.
func (l *loader) expand(at place, src any) any {
	if items, ok := src.([]any); ok {
		items = slices.Clone(items)
		for i, item := range items {
			items[i] = l.expand(at.item(i, item), item)
		}
		return items
	}
	s, ok := src.(string)
	if !ok {
		return src
	}
	e := expand(s, l.env)
	switch {
	case e.faulty:
		l.broken(at, "want ${NAME} or ${NAME:-default}; a plain ${ is written $${")
	case e.unset != nil:
		names := strings.Join(e.unset, ", ")
		l.report(at.path, l.mode == Check, fmt.Sprintf(
			"%snot set in the environment: %s (a default is written ${%s:-…})", at.label, names, e.unset[0]))
		l.unread[at.path] = true
		if strings.HasSuffix(at.path, "]") {
			l.incomplete[parent(at.path)] = true
		}
	}
	return e.text
}

// got describes a value in the place of one of another kind. It cites strings
// that should be numbers or the like; others may be somebody's address.
func got(v any, instead reflect.Kind) string {
	switch v := v.(type) {
	case string:
		if instead > reflect.Float64 || strings.Contains(v, "${") {
			return "a string"
		}
		return fmt.Sprintf("string %q", clip(v))
	case int64:
		return "a number"
	case float64:
		return "a fraction"
	case bool:
		return fmt.Sprint(v)
	case map[string]any:
		return "a table"
	case []any, []map[string]any:
		return "a list"
	}
	return "a date or time"
}

// wanted describes a type of [Config] for people.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Int:
		return "a number"
	case reflect.Bool:
		return "true or false"
	case reflect.Struct, reflect.Map:
		return "a table"
	}
	if t.Elem().Kind() == reflect.Struct {
		return "a list of tables"
	}
	return "a list of strings"
}

// list returns the elements of an array, which the library has in two forms.
func list(v any) (items []any, ok bool) {
	switch v := v.(type) {
	case []any:
		return v, true
	case []map[string]any:
		for _, table := range v {
			items = append(items, table)
		}
		return items, true
	}
	return nil, false
}

// nearest returns the one of known that s may have been meant to be.
func nearest(s string, known []string) string {
	best, distance := "", max(2, len(s)/3)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(s), k); d < distance && d < len(s) {
			best, distance = k, d
		}
	}
	return best
}

// clip shortens what the user wrote to what an error can carry.
func clip(s string) string {
	if len(s) > 60 {
		return strings.ToValidUTF8(s[:60], "") + "…"
	}
	return s
}
