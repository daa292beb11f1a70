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
	if a, ok := result.(Appender); ok {
		return appendAnswer(namespace, action, a, requestID)
	}
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

// Appender is a result that writes its own elements, without reflection: for
// answers that every job waits for. They are those encoding/xml would write.
type Appender interface{ AppendXML(b []byte) []byte }

func appendAnswer(namespace, action string, result Appender, requestID string) []byte {
	b := make([]byte, 0, 4096) // with a session token
	b = append(b, '<')
	b = append(b, action...)
	b = append(b, `Response xmlns="`...)
	b = append(appendEscaped(b, namespace), `">`...)
	b = AppendElement(b, action+"Result", result)
	b = AppendElement(b, "ResponseMetadata", Text{"RequestId", requestID})
	return appendTag(b, "</", action+"Response")
}

// Text is an element that holds text.
type Text struct{ Name, Value string }

// AppendXML writes the element.
func (t Text) AppendXML(b []byte) []byte {
	b = appendTag(b, "<", t.Name)
	b = appendEscaped(b, t.Value)
	return appendTag(b, "</", t.Name)
}

// AppendElement writes an element and what it holds.
func AppendElement(b []byte, name string, content Appender) []byte {
	b = appendTag(b, "<", name)
	b = content.AppendXML(b)
	return appendTag(b, "</", name)
}

func appendTag(b []byte, open, name string) []byte {
	b = append(b, open...)
	b = append(b, name...)
	return append(b, '>')
}

func appendEscaped(b []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		if c := text[i]; c < 0x20 || c > 0x7e || c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' {
			out := bytes.NewBuffer(b)
			must(xml.EscapeText(out, []byte(text)))
			return out.Bytes()
		}
	}
	return append(b, text...)
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
