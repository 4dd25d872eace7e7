package config

import (
	"regexp"
	"strings"
)

// variable is a name that a shell would accept (POSIX.1-2024, 3.216 Name).
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expansion is a string with the environment put in.
type expansion struct {
	text    string
	changed bool     // text may hold what is not for everybody's eyes
	unset   []string // names without a value; text has them as they were written
	faulty  bool     // a ${ that begins no reference
}

// expand puts variables in the place of their references: ${NAME} is the
// variable's value; ${NAME:-default} too, unless it is unset or empty, then it is
// default, which ends at the first brace; $${ is a plain ${. What a variable
// brings in is not looked at again.
func expand(s string, env func(string) (string, bool)) expansion {
	var text strings.Builder
	var e expansion
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			text.WriteString(s)
			e.text = text.String()
			return e
		}
		if strings.HasSuffix(before, "$") {
			text.WriteString(strings.TrimSuffix(before, "$") + "${")
			s = rest
			continue
		}
		e.changed = true
		text.WriteString(before)
		reference, after, closed := strings.Cut(rest, "}")
		name, fallback, optional := strings.Cut(reference, ":-")
		e.faulty = e.faulty || !closed || !variable.MatchString(name)
		switch value, ok := env(name); {
		case optional && value == "":
			text.WriteString(fallback)
		case ok:
			text.WriteString(value)
		default:
			e.unset = append(e.unset, name)
			text.WriteString("${" + reference + "}")
		}
		s = after
	}
}
