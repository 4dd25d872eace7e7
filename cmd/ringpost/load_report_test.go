package main_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report collects figures beside their targets.
type report struct{ rows []string }

func (r *report) add(cells ...string) { r.rows = append(r.rows, strings.Join(cells, "\t")) }

// section begins the figures of one store.
func (r *report) section(name string) {
	r.add("", "", "", "")
	r.add(name, "", "", "")
}

// note adds a figure that has no target. format is of got.
func (r *report) note(what, format string, got float64) {
	r.add(what, "", fmt.Sprintf(format, got), "")
}

// atLeast adds a figure that is to be target or more; 0 is no target.
func (r *report) atLeast(what, format string, target, got float64) {
	if target == 0 {
		r.note(what, format, got)
		return
	}
	r.add(what, "≥ "+fmt.Sprintf(format, target), fmt.Sprintf(format, got), verdict(got >= target, got/target))
}

// atMost adds a figure that is to be target or less; 0 is no target.
func (r *report) atMost(what, format string, target, got float64) {
	if target == 0 {
		r.note(what, format, got)
		return
	}
	r.add(what, "≤ "+fmt.Sprintf(format, target), fmt.Sprintf(format, got), verdict(got <= target, got/target))
}

// verdict says how far a figure is from its target, as a part of the target.
func verdict(met bool, part float64) string {
	word := "missed"
	if met {
		word = "met"
	}
	return fmt.Sprintf("%s by %.1f %%", word, 100*max(part-1, 1-part))
}

func (r *report) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s, %s, %d cores, %s, %s/%s\n\n", time.Now().Format("2 January 2006"), processor(),
		runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "measured\ttarget\tfigure\t")
	for _, row := range r.rows {
		fmt.Fprintln(table, row)
	}
	table.Flush()
}

// processor returns the model of the machine's processor.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	_, model, _ := strings.Cut(string(info), "model name")
	model, _, _ = strings.Cut(model, "\n")
	return strings.Trim(model, " \t:")
}

// median returns the middle figure.
func median[T int | float64 | time.Duration](figures []T) T {
	sorted := slices.Sorted(slices.Values(figures))
	return sorted[len(sorted)/2]
}

// ratio returns how much more a is than b in the round in the middle. What
// disturbs the machine for longer than a round disturbs both.
func ratio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// memory returns what the server has in memory, in megabytes of 1,000,000
// bytes, and peakMemory the most that it ever had.
func memory(s *server) float64     { return inMemory(s, "VmRSS:") }
func peakMemory(s *server) float64 { return inMemory(s, "VmHWM:") }

func inMemory(s *server, name string) float64 {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.command.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rss, _ := strings.Cut(string(status), name)
	rss, _, _ = strings.Cut(rss, "kB")
	kilobytes, err := strconv.ParseFloat(strings.TrimSpace(rss), 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return kilobytes * 1024 / 1e6
}

// cpuTime returns how long the server has been running on a core: fields 14 and
// 15 of proc(5), in hundredths of a second.
func cpuTime(s *server) time.Duration {
	s.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.command.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name before it may hold spaces
	fields := strings.Fields(after)
	var ticks time.Duration
	for _, field := range fields[11:13] {
		n, err := strconv.Atoi(field)
		if err != nil {
			s.t.Fatal(err)
		}
		ticks += time.Duration(n)
	}
	return ticks * 10 * time.Millisecond
}
