// Package awsrest is the AWS REST-JSON protocol: JSON bodies, errors named in
// a header, page tokens (EKS 2017-11-01).
//
// It knows no operation and decides nothing; ekswire and mayflywire have the
// shapes.
package awsrest

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// MaxBodyBytes bounds a request body; the largest is an access entry with its
// groups and tags.
const MaxBodyBytes = 128 << 10

// ErrorTypeHeader names the error of an answer.
const ErrorTypeHeader = "X-Amzn-Errortype"

// Failure is an error as the protocol shows it.
type Failure struct {
	Status  int
	Code    string // "ResourceNotFoundException"
	Message string
	Cluster string // the cluster concerned, may be empty
}

// Body is the JSON body of the failure.
func (f Failure) Body() []byte {
	return Encode(struct {
		Cluster string `json:"clusterName,omitempty"`
		Message string `json:"message"`
	}{f.Cluster, f.Message})
}

// Encode is a value's JSON.
func Encode(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		panic("awsrest: " + err.Error()) // unreachable: shapes of strings, numbers and lists
	}
	return out
}

// Time is a time on the wire: seconds since the epoch, as a number, to the
// millisecond.
type Time time.Time

// MarshalJSON writes the number.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(time.Time(t).UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads what MarshalJSON writes, and what AWS does.
func (t *Time) UnmarshalJSON(data []byte) error {
	seconds, err := strconv.ParseFloat(string(data), 64)
	if err != nil || !(-1e12 < seconds && seconds < 1e12) {
		return fmt.Errorf("a time is written as seconds since the epoch, not %.40q", data)
	}
	*t = Time(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC())
	return nil
}
