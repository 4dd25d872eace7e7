package page

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringpost/relay/store"
)

// hours is how far back a chart goes.
const hours = 24

// The measures of a chart, in the units of its viewBox.
const (
	chartWidth, chartHeight         = 420, 190
	plotLeft, plotRight             = 38, 418
	plotTop, plotBottom             = 8, 164
	barGap                          = 4
	leastBar                float64 = 2 // of what is not nothing, so that one failure among thousands is seen
)

// series are the results that a chart tells apart, from the axis upwards.
type series struct {
	Name    string
	Tone    string // of its colour; see style.css
	results []string
	Total   int64
}

func callbackSeries() []series {
	return []series{
		{Name: "stored", Tone: "good", results: []string{"stored"}},
		{Name: "repeated", Tone: "quiet", results: []string{"duplicate"}},
		{Name: "refused", Tone: "bad", results: []string{"bad_signature", "invalid"}},
		{Name: "not stored", Tone: "warn", results: []string{"error"}},
	}
}

func deliverySeries() []series {
	return []series{
		{Name: "delivered", Tone: "good", results: []string{"delivered"}},
		{Name: "to be tried again", Tone: "warn", results: []string{"retried"}},
		{Name: "uncertain", Tone: "odd", results: []string{"unknown"}},
		{Name: "not delivered", Tone: "bad", results: []string{"dead"}},
	}
}

// chart is a chart of stacked bars, one for each of the last hours.
type chart struct {
	ID, Title, Desc string
	Series          []series
	Hours           []hour
	Lines           []gridline
	Width, Height   int
	Left, Right     int
	Bottom, LabelY  int
}

// hour is one bar, and one row of the table.
type hour struct {
	Begin  time.Time
	Title  string
	Counts []int64 // in the order of the series
	Label  string  // under the bar; empty under most
	X, W   float64
	Middle float64
	Parts  []part
}

type part struct {
	Tone string
	Y, H float64
}

// gridline is a line across the chart at a round number.
type gridline struct {
	Y     float64
	Value int64
}

// newChart draws what tallies count in the hours up to now.
func newChart(id, title string, list []series, tallies []store.Tally, now time.Time) chart {
	c := chart{ID: id, Title: title, Series: list, Width: chartWidth, Height: chartHeight,
		Left: plotLeft, Right: plotRight, Bottom: plotBottom, LabelY: chartHeight - 8}
	first := now.Truncate(time.Hour).Add(-(hours - 1) * time.Hour)
	c.Hours = make([]hour, hours)
	for i := range c.Hours {
		c.Hours[i] = hour{Begin: first.Add(time.Duration(i) * time.Hour), Counts: make([]int64, len(list))}
	}
	for _, t := range tallies {
		i := int(t.At.Sub(first) / time.Hour)
		if t.At.Before(first) || i >= hours {
			continue
		}
		for j := range list {
			if slices.Contains(list[j].results, t.Result) {
				c.Hours[i].Counts[j] += t.N
				list[j].Total += t.N
			}
		}
	}
	c.draw()
	c.Desc = c.describe()
	return c
}

func (c *chart) draw() {
	var top int64
	for i := range c.Hours {
		top = max(top, sum(c.Hours[i].Counts))
	}
	step := roundStep(top)
	top = max(step, (top+step-1)/step*step)
	scale := float64(plotBottom-plotTop) / float64(top)
	for value := step; value <= top; value += step {
		c.Lines = append(c.Lines, gridline{plotBottom - float64(value)*scale, value})
	}
	slot := float64(plotRight-plotLeft) / hours
	for i := range c.Hours {
		h := &c.Hours[i]
		h.X, h.W = plotLeft+float64(i)*slot+barGap/2, slot-barGap
		h.Middle = h.X + h.W/2
		begin := h.Begin.Local()
		if begin.Hour()%6 == 0 {
			h.Label = begin.Format("15:04")
		}
		y := float64(plotBottom)
		var words []string
		for j, n := range h.Counts {
			if n == 0 {
				continue
			}
			height := max(leastBar, float64(n)*scale)
			y -= height
			h.Parts = append(h.Parts, part{c.Series[j].Tone, y, height})
			words = append(words, count(n)+" "+c.Series[j].Name)
		}
		h.Title = begin.Format("15:04") + " to " + begin.Add(time.Hour).Format("15:04") + ": " + orSelf(strings.Join(words, ", "), "nothing")
	}
}

// describe says in a sentence what the chart shows.
func (c *chart) describe() string {
	var words []string
	for _, s := range c.Series {
		words = append(words, count(s.Total)+" "+s.Name)
	}
	return fmt.Sprintf("In the last %d hours: %s.", hours, strings.Join(words, ", "))
}

// roundStep is a round number of which a few reach up to top.
func roundStep(top int64) int64 {
	step := int64(1)
	for {
		for _, factor := range []int64{1, 2, 5} {
			if top <= 4*step*factor {
				return step * factor
			}
		}
		step *= 10
	}
}

func sum(counts []int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}
