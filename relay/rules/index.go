package rules

import (
	"cmp"
	"math"
	"slices"
)

// index finds the rules that a callback may match without looking at the
// others. A rule is filed under one of its conditions, by what a value that
// satisfies it begins or ends with: completed, agent for agent*, or
// @example.com for *@example.com. A rule whose conditions all leave that open
// may match anything.
type index struct {
	shelves []shelf
	rest    []int32 // rules that may match anything
}

// shelf holds the rules that are filed under the beginnings, or the ends, of one
// slot's values.
type shelf struct {
	slot    int
	end     bool
	rules   map[string][]int32 // by beginning or end
	lengths []int              // of those, in bytes, ascending
}

// filing is a place where rules are filed: what the values of a slot begin with,
// or end with.
type filing struct {
	slot int
	end  bool
	text string
}

// newIndex files the enabled rules.
func newIndex(rules []rule) index {
	shared := make(map[filing]int) // how many rules could be filed there
	for i := range rules {
		for j := range rules[i].conditions {
			c := &rules[i].conditions[j]
			for _, f := range c.filings() {
				shared[f]++
			}
		}
	}
	filed := make(map[filing][]int32)
	var x index
	for i := range rules {
		if !rules[i].enabled {
			continue
		}
		filings := mostTelling(rules[i].conditions, shared)
		if filings == nil {
			x.rest = append(x.rest, int32(i))
		}
		for _, f := range filings {
			filed[f] = append(filed[f], int32(i))
		}
	}
	x.shelve(filed)
	return x
}

// mostTelling returns the filings of the condition that the fewest rules share;
// of two such the later one, since conditions stand in the order of how little
// their values tell. It returns none where no condition has any.
func mostTelling(conditions []condition, shared map[filing]int) (filings []filing) {
	fewest := math.MaxInt
	for i := range conditions {
		most := 0
		list := conditions[i].filings()
		for _, f := range list {
			most = max(most, shared[f])
		}
		if list != nil && most <= fewest {
			filings, fewest = list, most
		}
	}
	return filings
}

// filings returns where the values that satisfy the condition are found, each
// once; nil where that may be anywhere.
func (c *condition) filings() (all []filing) {
	for i := range c.patterns.some {
		f := filing{slot: c.slot, text: c.patterns.some[i].prefix()}
		if f.text == "" {
			f.end, f.text = true, c.patterns.some[i].suffix()
		}
		if f.text == "" {
			return nil
		}
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

// shelve puts what was filed on shelves.
func (x *index) shelve(filed map[filing][]int32) {
	shelves := make(map[filing]*shelf) // without their texts
	for f, rules := range filed {
		at := filing{slot: f.slot, end: f.end}
		s := shelves[at]
		if s == nil {
			s = &shelf{slot: f.slot, end: f.end, rules: make(map[string][]int32)}
			shelves[at] = s
		}
		s.rules[f.text] = rules
		if !slices.Contains(s.lengths, len(f.text)) {
			s.lengths = append(s.lengths, len(f.text))
		}
	}
	for _, s := range shelves {
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
			text := value[:n]
			if s.end {
				text = value[len(value)-n:]
			}
			more := s.rules[text]
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
