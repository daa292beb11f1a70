//go:build race

package prove

func init() { raceDetector = true }
