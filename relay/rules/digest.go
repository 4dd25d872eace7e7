package rules

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The shortest and the longest time for which a digest may collect.
const (
	MinDigest = time.Minute
	MaxDigest = 7 * 24 * time.Hour
)

// ParseDigest reads how long a digest collects: 30m, 1h or 1d, or 0 for nothing.
func ParseDigest(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if number, ok := strings.CutSuffix(text, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(number, 10, 8)
		d = time.Duration(days) * 24 * time.Hour
	}
	if err != nil || d < MinDigest || d > MaxDigest {
		return 0, fmt.Errorf("%.40q: want from one minute to seven days, such as 30m, 1h or 1d", text)
	}
	return d, nil
}

// compileDigest reads how long what a send makes is collected.
func (c *compiler) compileDigest(path string, d *Send, s *send) {
	var err error
	if s.digest, err = ParseDigest(d.Digest); err != nil {
		c.fail(path+".digest", "%v", err)
	}
	if d.Digest != "" && d.Attach != "" {
		c.fail(path+".digest", "it tells of many recordings, and one can go with a message: want no attach beside it")
	}
}
