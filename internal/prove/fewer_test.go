package prove

// raceDetector: the race detector is on, under which everything takes several
// times as long and is no more exact.
var raceDetector bool

// Fewer is how many of n random cases to try.
func Fewer(n int) int {
	if raceDetector {
		return max(n/5, 1)
	}
	return n
}
