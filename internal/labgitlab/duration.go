package labgitlab

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var errDuration = errors.New("should be a duration such as 90 minutes, 1h 30m or 3600 seconds")

var durationUnits = map[string]time.Duration{
	"s": time.Second, "sec": time.Second, "secs": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "mins": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hrs": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "wk": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
	"mo": 30 * 24 * time.Hour, "mos": 30 * 24 * time.Hour, "month": 30 * 24 * time.Hour, "months": 30 * 24 * time.Hour,
}

var durationPart = regexp.MustCompile(`^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*(?:,|and\b)?\s*`)

// maxDuration keeps a duration inside time.Duration with room to add.
const maxDuration = 365 * 24 * time.Hour

// parseDuration reads the forms of ChronicDuration that GitLab's documentation
// shows; a bare number is seconds.
func parseDuration(text string) (time.Duration, error) {
	rest := strings.ToLower(strings.TrimSpace(text))
	if rest == "" {
		return 0, errDuration
	}
	var total time.Duration
	for rest != "" {
		part := durationPart.FindStringSubmatch(rest)
		if part == nil {
			return 0, errDuration
		}
		amount, err := strconv.ParseFloat(part[1], 64)
		unit, known := durationUnits[part[2]]
		if part[2] == "" {
			unit, known = time.Second, true
		}
		if err != nil || !known || amount > float64(maxDuration/unit) {
			return 0, errDuration
		}
		if total += time.Duration(amount * float64(unit)); total > maxDuration {
			return 0, errDuration
		}
		rest = rest[len(part[0]):]
	}
	return total, nil
}
