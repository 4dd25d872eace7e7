package rules

import (
	"cmp"
	"math"
	"slices"
)

// index finds the rules that a callback may match without looking at the
// others. A rule is filed under one of its conditions, by what a value that
// satisfies it begins with: completed, or agent for agent*. A rule whose
// conditions all leave that open may match anything.
type index struct {
	shelves []shelf
	rest    []int32 // rules that may match anything
}

// shelf holds the rules that are filed under conditions on one slot.
type shelf struct {
	slot    int
	rules   map[string][]int32 // by prefix
	lengths []int              // of the prefixes, in bytes, ascending
}

// filing is a place where rules are filed.
type filing struct {
	slot   int
	prefix string
}

// newIndex files the enabled rules.
func newIndex(rules []rule) index {
	shared := make(map[filing]int) // how many rules could be filed there
	for i := range rules {
		for j := range rules[i].conditions {
			c := &rules[i].conditions[j]
			for _, prefix := range c.prefixes() {
				shared[filing{c.slot, prefix}]++
			}
		}
	}
	filed := make(map[filing][]int32)
	var x index
	for i := range rules {
		if !rules[i].enabled {
			continue
		}
		slot, prefixes := mostTelling(rules[i].conditions, shared)
		if prefixes == nil {
			x.rest = append(x.rest, int32(i))
		}
		for _, prefix := range prefixes {
			f := filing{slot, prefix}
			filed[f] = append(filed[f], int32(i))
		}
	}
	x.shelve(filed)
	return x
}

// mostTelling returns the slot and the prefixes of the condition that the
// fewest rules share; of two such the later one, since conditions stand in the
// order of how little their values tell. It returns no prefixes where no
// condition has any.
func mostTelling(conditions []condition, shared map[filing]int) (slot int, prefixes []string) {
	fewest := math.MaxInt
	for i := range conditions {
		c, most := &conditions[i], 0
		list := c.prefixes()
		for _, prefix := range list {
			most = max(most, shared[filing{c.slot, prefix}])
		}
		if list != nil && most <= fewest {
			slot, prefixes, fewest = c.slot, list, most
		}
	}
	return slot, prefixes
}

// prefixes returns what the values that satisfy the condition begin with, each
// once; nil where that may be anything.
func (c *condition) prefixes() (all []string) {
	for i := range c.patterns.some {
		prefix := c.patterns.some[i].prefix()
		if prefix == "" {
			return nil
		}
		all = append(all, prefix)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shelve puts what was filed on shelves.
func (x *index) shelve(filed map[filing][]int32) {
	bySlot := make(map[int]*shelf)
	for f, rules := range filed {
		s := bySlot[f.slot]
		if s == nil {
			s = &shelf{slot: f.slot, rules: make(map[string][]int32)}
			bySlot[f.slot] = s
		}
		s.rules[f.prefix] = rules
		if !slices.Contains(s.lengths, len(f.prefix)) {
			s.lengths = append(s.lengths, len(f.prefix))
		}
	}
	for _, s := range bySlot {
		slices.Sort(s.lengths)
		x.shelves = append(x.shelves, *s)
	}
	slices.SortFunc(x.shelves, func(a, b shelf) int { return cmp.Compare(a.slot, b.slot) })
}

// candidates returns the rules that may match, each once, in their order. The
// list is good until v is used for another callback, and is not to be changed.
func (x *index) candidates(v *values) []int32 {
	found, merges := x.rest, 0
	for i := range x.shelves {
		s := &x.shelves[i]
		value := v.get(s.slot)
		for _, n := range s.lengths {
			if n > len(value) {
				break
			}
			more := s.rules[value[:n]]
			switch {
			case len(more) == 0:
			case len(found) == 0:
				found = more
			default:
				buffer := &v.merged[merges%2] // not the one that found may be in
				*buffer = merge((*buffer)[:0], found, more)
				found = *buffer
				merges++
			}
		}
	}
	return found
}

// merge appends two ascending lists to dst as one, what is in both once.
func merge(dst, a, b []int32) []int32 {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] < b[0]:
			dst, a = append(dst, a[0]), a[1:]
		case a[0] > b[0]:
			dst, b = append(dst, b[0]), b[1:]
		default:
			dst, a, b = append(dst, a[0]), a[1:], b[1:]
		}
	}
	return append(append(dst, a...), b...)
}
