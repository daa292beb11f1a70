package awsquery

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
)

// AnswerError says why a body is not the answer that is wanted.
type AnswerError struct{ Detail string }

func (e *AnswerError) Error() string { return e.Detail }

func notAnswer(format string, args ...any) error {
	return &AnswerError{fmt.Sprintf(format, args...)}
}

// ParseAnswer reads the body of a successful answer: what Answer writes, and
// elements besides, which are left aside. The result of an operation without one
// is the zero value. Every refusal is an *AnswerError.
func ParseAnswer[T any](action string, body []byte) (result T, err error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := root(d, action+"Response"); err != nil {
		return result, err
	}
	found := false
	for {
		t, err := d.Token()
		if err != nil {
			return *new(T), notAnswer("it is not XML: %v", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if t.Name.Local != action+"Result" {
				err = d.Skip()
			} else if found {
				return *new(T), notAnswer("%sResult stands twice", action)
			} else {
				found = true
				err = d.DecodeElement(&result, &t)
			}
			if err != nil {
				return *new(T), notAnswer("it is not XML, or not of the form of %sResult: %v", action, err)
			}
		case xml.EndElement:
			if err := rest(d); err != nil {
				return *new(T), err
			}
			return result, nil
		}
	}
}

// root reads up to and with the element that holds all.
func root(d *xml.Decoder, name string) error {
	for {
		t, err := d.Token()
		if err != nil {
			return notAnswer("it is not XML: %v", err)
		}
		if start, ok := t.(xml.StartElement); ok {
			if start.Name.Local != name {
				return notAnswer("%s is wanted, not %s", name, clip(start.Name.Local))
			}
			return nil
		}
	}
}

// rest refuses another element after the one that holds all.
func rest(d *xml.Decoder) error {
	for {
		t, err := d.Token()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return notAnswer("it is not XML: %v", err)
		}
		if _, ok := t.(xml.StartElement); ok {
			return notAnswer("something follows the answer")
		}
	}
}

// ParseFailure reads the body of an error as Failure.Body writes it, and the id
// of the request. Every refusal is an *AnswerError.
func ParseFailure(status int, body []byte) (f Failure, requestID string, err error) {
	var e struct {
		XMLName xml.Name `xml:"ErrorResponse"`
		Error   struct {
			Code    string `xml:"Code"`
			Message string `xml:"Message"`
		} `xml:"Error"`
		RequestID string `xml:"RequestId"`
	}
	if err := xml.Unmarshal(body, &e); err != nil {
		return Failure{}, "", notAnswer("it is not an ErrorResponse: %v", err)
	}
	if c := e.Error.Code; c == "" || len(c) > 128 || strings.ContainsFunc(c, func(r rune) bool { return !IsWord(r) }) {
		return Failure{}, "", notAnswer("the error has no code")
	}
	return Failure{Status: status, Code: e.Error.Code, Message: e.Error.Message}, e.RequestID, nil
}
