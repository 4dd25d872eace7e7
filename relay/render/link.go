package render

import (
	"errors"
	"slices"
	"text/template"
	tree "text/template/parse"
)

// LinkPath is what stands between the public URL and a token in a link to a
// recording.
const LinkPath = "/r/"

// SampleLink returns a link such as the service at publicURL makes. It opens
// nothing: there is no such token.
func SampleLink(publicURL string) string { return publicURL + LinkPath + "SampleLink0" }

var errNoLink = errors.New(".Link is for what a message says, and not known here")

// Link returns the link to the recording, the same in all parts of a message.
func (v *view) Link() (string, error) {
	if v.link == nil {
		return "", errNoLink
	}
	if v.linked == "" {
		v.linked = v.link()
	}
	return v.linked, nil
}

// HasLink reports whether the template of that name for messages of kind may ask
// for the link.
func (t *Templates) HasLink(kind, name string) bool {
	if mail, ok := t.emails[name]; ok && kind != SMS {
		if mail.html != nil {
			for _, part := range mail.html.Templates() {
				if part.Tree != nil && asks(part.Tree.Root) {
					return true
				}
			}
		}
		return hasLink(mail.subject) || hasLink(mail.text)
	}
	text, ok := t.texts[name]
	return ok && kind != Email && hasLink(text)
}

func hasLink(t *template.Template) bool {
	return slices.ContainsFunc(t.Templates(), func(part *template.Template) bool {
		return part.Tree != nil && asks(part.Root)
	})
}

// asks reports whether the link is asked for somewhere in a node.
func asks(n tree.Node) bool {
	switch n := n.(type) {
	case *tree.ListNode:
		return n != nil && slices.ContainsFunc(n.Nodes, asks)
	case *tree.IfNode:
		return asks(n.Pipe) || asks(n.List) || asks(n.ElseList)
	case *tree.RangeNode:
		return asks(n.Pipe) || asks(n.List) || asks(n.ElseList)
	case *tree.WithNode:
		return asks(n.Pipe) || asks(n.List) || asks(n.ElseList)
	case *tree.ActionNode:
		return asks(n.Pipe)
	case *tree.TemplateNode:
		return asks(n.Pipe)
	case *tree.PipeNode:
		return n != nil && slices.ContainsFunc(n.Cmds, func(c *tree.CommandNode) bool { return slices.ContainsFunc(c.Args, asks) })
	case *tree.FieldNode:
		return n.Ident[0] == "Link"
	case *tree.VariableNode:
		return slices.Contains(n.Ident[1:], "Link")
	case *tree.ChainNode:
		return asks(n.Node) || slices.Contains(n.Field, "Link")
	}
	return false
}
