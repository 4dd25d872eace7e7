package render

import (
	htmltemplate "html/template"
	"slices"
	"text/template"
	tree "text/template/parse"
)

// asks reports whether the template of that name for messages of kind may ask for
// that field of the data.
func (t *Templates) asks(kind, name, field string) bool {
	if mail, ok := t.emails[name]; ok && kind != SMS {
		return mail.asks(field)
	}
	text, ok := t.texts[name]
	return ok && kind != Email && textAsks(text, field)
}

func (e *email) asks(field string) bool {
	return e.html != nil && htmlAsks(e.html, field) || textAsks(e.subject, field) || textAsks(e.text, field)
}

func textAsks(t *template.Template, field string) bool {
	return reaches(t.Tree, field, make(map[string]bool), func(name string) *tree.Tree {
		if part := t.Lookup(name); part != nil {
			return part.Tree
		}
		return nil
	})
}

func htmlAsks(t *htmltemplate.Template, field string) bool {
	return reaches(t.Tree, field, make(map[string]bool), func(name string) *tree.Tree {
		if part := t.Lookup(name); part != nil {
			return part.Tree
		}
		return nil
	})
}

// reaches reports whether a field is asked for in t, or in a template that is
// called from there; what is defined and not called does not count. seen are the
// names of those that were looked at.
func reaches(t *tree.Tree, field string, seen map[string]bool, find func(string) *tree.Tree) bool {
	if t == nil {
		return false
	}
	s := search{field: field}
	s.look(t.Root)
	if s.found {
		return true
	}
	for _, name := range s.calls {
		if !seen[name] {
			seen[name] = true
			if reaches(find(name), field, seen, find) {
				return true
			}
		}
	}
	return false
}

// search looks through nodes for a field of the data.
type search struct {
	field string
	found bool
	calls []string // the templates that are called
}

func (s *search) look(nodes ...tree.Node) {
	for _, n := range nodes {
		switch n := n.(type) {
		case *tree.ListNode:
			if n != nil {
				s.look(n.Nodes...)
			}
		case *tree.IfNode:
			s.look(n.Pipe, n.List, n.ElseList)
		case *tree.RangeNode:
			s.look(n.Pipe, n.List, n.ElseList)
		case *tree.WithNode:
			s.look(n.Pipe, n.List, n.ElseList)
		case *tree.ActionNode:
			s.look(n.Pipe)
		case *tree.TemplateNode:
			s.calls = append(s.calls, n.Name)
			s.look(n.Pipe)
		case *tree.PipeNode:
			if n == nil {
				continue
			}
			for _, c := range n.Cmds {
				s.look(c.Args...)
			}
		case *tree.FieldNode:
			s.found = s.found || n.Ident[0] == s.field
		case *tree.VariableNode:
			s.found = s.found || slices.Contains(n.Ident[1:], s.field)
		case *tree.ChainNode:
			s.look(n.Node)
			s.found = s.found || slices.Contains(n.Field, s.field)
		}
	}
}
