package rules

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"ringpost/relay/quiet"
	"ringpost/relay/render"
)

// Book says who and what rules may name. Contacts and groups are found whatever
// the case of their names.
type Book struct {
	Contacts map[string]Contact  `json:"contacts"`
	Groups   map[string][]string `json:"groups"`          // of contacts and addresses
	Channels map[string]string   `json:"channels"`        // name to kind
	Paths    map[string]string   `json:"paths,omitempty"` // of archives, by channel; without one it is the default
}

// Contact is a person. Either address may be empty.
type Contact struct {
	Email string `toml:"email" json:"email,omitempty"`
	Phone string `toml:"phone" json:"phone,omitempty"`
	Quiet string `toml:"quiet" json:"quiet,omitempty"` // such as 21:00-08:00 Europe/Berlin
}

// book is a Book whose names are folded.
type book struct {
	contacts map[string]Contact
	groups   map[string][]string
	quiet    map[string]quiet.Hours // by folded address; none where no contact has any
	numbers  render.Contacts
}

// Numbers returns the names of the contacts by their numbers, for templates. Of
// several with the same one it is the first by name.
func (b *Book) Numbers() render.Contacts {
	numbers := make(render.Contacts)
	for _, name := range slices.Sorted(maps.Keys(b.Contacts)) {
		if phone := b.Contacts[name].Phone; phone != "" && numbers[phone] == "" {
			numbers[phone] = name
		}
	}
	return numbers
}

// found is one address, or why there is none.
type found struct{ to, problem string }

// has reports whether name is a contact's or a group's.
func (b *book) has(name string) bool {
	_, contact := b.contacts[fold(name)]
	_, group := b.groups[fold(name)]
	return contact || group
}

// lookUp returns whom a group, contact or address stands for on channels of
// kind.
func (b *book) lookUp(name, kind string) []found {
	members, ok := b.groups[fold(name)]
	if !ok {
		return []found{b.one(name, kind)}
	}
	all := make([]found, len(members))
	for i, member := range members {
		all[i] = b.one(member, kind)
		if all[i].problem != "" {
			all[i].problem = fmt.Sprintf("group %s: %s", quote(name), all[i].problem)
		}
	}
	return all
}

// one returns the address of a contact, or name itself where it is an address.
func (b *book) one(name, kind string) found {
	if contact, ok := b.contacts[fold(name)]; ok {
		to := contact.address(kind)
		if to == "" {
			return found{problem: fmt.Sprintf("contact %s has no %s", quote(name), needs(kind))}
		}
		return found{to: to}
	}
	if isAddress(name, kind) {
		return found{to: name}
	}
	return found{problem: fmt.Sprintf("%s is no contact, no group and no %s", quote(name), needs(kind))}
}

// Address returns the address that a person names: a contact's, for channels of
// kind, or the name itself where it is an address of that kind.
func (s *Set) Address(name, kind string) (string, error) {
	if _, ok := s.book.groups[fold(name)]; ok {
		return "", fmt.Errorf("%s is a group: want one contact or %s", quote(name), needs(kind))
	}
	f := s.book.one(name, kind)
	if f.problem != "" {
		return "", errors.New(f.problem)
	}
	return f.to, nil
}

func (c Contact) address(kind string) string {
	switch kind {
	case render.Email:
		return c.Email
	case render.SMS:
		return c.Phone
	case render.Archive:
		return ""
	}
	if c.Email != "" {
		return c.Email
	}
	return c.Phone
}

// compileBook checks contacts and groups, and folds their names.
func (c *compiler) compileBook() {
	c.set.book = book{contacts: make(map[string]Contact), groups: make(map[string][]string), numbers: c.Numbers()}
	for _, name := range slices.Sorted(maps.Keys(c.Contacts)) {
		c.path, c.label = "contact."+name, "contact "+quote(name)
		c.compileContact(name, c.Contacts[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		c.path, c.label = "group."+name, "group "+quote(name)
		c.compileGroup(name, c.Groups[name])
	}
}

func (c *compiler) compileContact(name string, contact Contact) {
	if _, ok := c.set.book.contacts[fold(name)]; ok {
		c.fail("", "another contact has that name: capitals do not make it another one")
	}
	if contact.Email == "" && contact.Phone == "" {
		c.fail("", "want an email, a phone, or both")
	}
	if contact.Email != "" && !IsEmail(contact.Email) {
		c.fail("email", "%s is no email address: want one such as alice@example.com", quote(contact.Email))
	}
	if contact.Phone != "" && !IsPhone(contact.Phone) {
		c.fail("phone", "%s is no phone number: want one such as +15550100001", quote(contact.Phone))
	}
	c.compileHush(contact)
	c.set.book.contacts[fold(name)] = contact
}

// compileGroup leaves out the members that have a problem: it is reported here,
// not wherever the group is named.
func (c *compiler) compileGroup(name string, members []string) {
	b := &c.set.book
	if _, ok := b.contacts[fold(name)]; ok {
		c.fail("", "a contact has that name too: rename one of them")
	}
	if _, ok := b.groups[fold(name)]; ok {
		c.fail("", "another group has that name: capitals do not make it another one")
	}
	if len(members) == 0 {
		c.fail("", "has no members")
	}
	known := []string{}
	for i, member := range members {
		at := fmt.Sprintf("[%d]", i)
		_, contact := b.contacts[fold(member)]
		switch {
		case contact || IsEmail(member) || IsPhone(member):
			known = append(known, member)
		case c.isGroup(member):
			c.fail(at, "%s is a group: a group's members are contacts and addresses", quote(member))
		default:
			c.fail(at, "%s is no contact, email address or phone number%s", quote(member),
				suggest(member, maps.Keys(c.Contacts)))
		}
	}
	b.groups[fold(name)] = known
}

func (c *compiler) isGroup(name string) bool {
	for group := range c.Groups {
		if fold(group) == fold(name) {
			return true
		}
	}
	return false
}
