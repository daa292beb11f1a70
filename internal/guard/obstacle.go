package guard

// Obstacle is why the facts of a project are not at hand at the door.
type Obstacle uint8

const (
	// Unread: nobody reads the issuer's facts, or they could not be read for so
	// long that they count no more.
	Unread Obstacle = iota + 1
	// BeingRead: they are being read, for the first time or after a while in which
	// nobody asked. Asking again soon helps.
	BeingRead
	// Reused: the project's path was another project's before.
	Reused
)

// ObstacleError is an Obstacle in words. Why is for those whose project it is, Err
// for the log.
type ObstacleError struct {
	Obstacle Obstacle
	Why      string
	Err      error
}

func (e *ObstacleError) Error() string {
	if e.Err == nil {
		return e.Why
	}
	return e.Why + ": " + e.Err.Error()
}

func (e *ObstacleError) Unwrap() error { return e.Err }
