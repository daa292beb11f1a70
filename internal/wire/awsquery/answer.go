package awsquery

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"time"
)

// Members is a list as the Query protocol writes it: an element per item,
// called member. An empty list is an empty element, not a missing one.
type Members[T any] struct {
	Member []T `xml:"member"`
}

// List makes a Members.
func List[T any](items []T) Members[T] { return Members[T]{items} }

// Time is a time as the Query protocol writes it: 2026-11-23T03:00:00Z.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Answer is the body of a successful answer: the result wrapped in
// ActionResponse and ActionResult, with the request id. A nil result is an
// operation without one.
func Answer(namespace, action string, result any, requestID string) []byte {
	var out bytes.Buffer
	e := xml.NewEncoder(&out)
	must(e.EncodeToken(xml.StartElement{Name: xml.Name{Local: action + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}}))
	if result != nil {
		must(e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}}))
	}
	must(e.EncodeElement(metadata{requestID}, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}}))
	must(e.EncodeToken(xml.EndElement{Name: xml.Name{Local: action + "Response"}}))
	must(e.Close())
	return out.Bytes()
}

type metadata struct {
	RequestID string `xml:"RequestId" json:"RequestId"`
}

// AnswerJSON is the same answer in the JSON form that STS gives to a client
// that accepts application/json.
func AnswerJSON(action string, result any, requestID string) []byte {
	out, err := json.Marshal(map[string]any{action + "Response": map[string]any{action + "Result": result, "ResponseMetadata": metadata{requestID}}})
	must(err)
	return out
}

// Failure is an error as the Query protocol shows it.
type Failure struct {
	Status  int    // HTTP
	Code    string // "AccessDenied"
	Message string
}

// fault is who is to blame: Sender below 500, Receiver above.
func (f Failure) fault() string {
	if f.Status >= 500 {
		return "Receiver"
	}
	return "Sender"
}

// Body is the XML body of the failure.
func (f Failure) Body(namespace, requestID string) []byte {
	type inner struct {
		Type    string `xml:"Type"`
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	out, err := xml.Marshal(struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr"`
		Error     inner    `xml:"Error"`
		RequestID string   `xml:"RequestId"`
	}{Namespace: namespace, Error: inner{f.fault(), f.Code, f.Message}, RequestID: requestID})
	must(err)
	return out
}

// BodyJSON is the JSON body of the failure.
func (f Failure) BodyJSON(requestID string) []byte {
	out, err := json.Marshal(map[string]any{"Error": map[string]string{"Code": f.Code, "Message": f.Message, "Type": f.fault()}, "RequestId": requestID})
	must(err)
	return out
}

func must(err error) {
	if err != nil {
		panic("awsquery: " + err.Error()) // unreachable: shapes of strings, numbers and lists into memory
	}
}
