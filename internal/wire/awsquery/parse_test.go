package awsquery_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"mayfly.internal/internal/wire/awsquery"
)

// TestForm: what a client says is what a server reads, and what it leaves out is
// absent.
func TestForm(t *testing.T) {
	f := awsquery.NewForm("2010-05-08", "Make").Text("Name", "a b&c=%+ä").Text("Not", "").Int("N", 7).Int("Zero", 0).
		List("L", []string{"x", ""}).List("M", nil).Pairs("Tags", [][2]string{{"k", "v"}, {"l", ""}})
	r := decode(t, string(f.Body()))
	if f.Action() != "Make" || r.Action != "Make" || r.Version != "2010-05-08" {
		t.Errorf("%s: %+v", f.Action(), r)
	}
	if r.Has("Not") || r.Has("Zero") {
		t.Error("what is not said is there")
	}
	if got := r.Text("Name", awsquery.Rule{}); got != "a b&c=%+ä" {
		t.Errorf("got %q", got)
	}
	if got := r.Int("N", 1, 9); got != 7 {
		t.Errorf("got %d", got)
	}
	if got := r.List("L", 9, awsquery.Rule{}); !slices.Equal(got, []string{"x", ""}) {
		t.Errorf("got %q", got)
	}
	if got := r.Pairs("Tags", 9, awsquery.Rule{}, awsquery.Rule{}); !reflect.DeepEqual(got, [][2]string{{"k", "v"}, {"l", ""}}) {
		t.Errorf("got %q", got)
	}
	if err := r.Check(); err != nil {
		t.Error(err)
	}
}

// TestParseAnswer: an answer comes back as it was given, whatever stands beside
// it.
func TestParseAnswer(t *testing.T) {
	tags := awsquery.List([]string{"t"})
	want := thing{Name: "a<&>\"' ä", List: awsquery.List([]string{"x", "", "y"}), Tags: &tags}
	body := awsquery.Answer("https://x.example/doc/", "GetThing", want, "r-1")
	for name, text := range map[string]string{
		"as Answer writes it":           string(body),
		"after a declaration":           `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + string(body) + "\n",
		"with elements that are others": strings.ReplaceAll(string(body), "<Name>", "<New><member>1</member></New><Name>"),
		"with one beside the result":    strings.ReplaceAll(string(body), "<GetThingResult>", "<New/><GetThingResult>"),
	} {
		if got, err := awsquery.ParseAnswer[thing]("GetThing", []byte(text)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if got, err := awsquery.ParseAnswer[thing]("GetThing", awsquery.Answer("n", "GetThing", nil, "r")); err != nil || !reflect.DeepEqual(got, thing{}) {
		t.Errorf("no result: %+v, %v", got, err)
	}
}

func TestParseAnswerRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "it is not XML: EOF",
		"no":                                    "it is not XML: EOF",
		`{"GetThing":{}}`:                       "it is not XML",
		"<html><body/></html>":                  "GetThingResponse is wanted, not html",
		"<GetOtherResponse></GetOtherResponse>": "GetThingResponse is wanted, not GetOtherResponse",
		"<GetThingResponse>":                    "it is not XML",
		"<GetThingResponse><GetThingResult><Name>a</GetThingResult></GetThingResponse>":                                        "it is not XML, or not of the form",
		"<GetThingResponse><GetThingResult/><GetThingResult/></GetThingResponse>":                                              "GetThingResult stands twice",
		"<GetThingResponse></GetThingResponse><GetThingResponse></GetThingResponse>":                                           "something follows the answer",
		"<GetThingResponse></GetThingResponse><":                                                                               "it is not XML",
		"<!DOCTYPE x [<!ENTITY e 'x'>]><GetThingResponse><GetThingResult><Name>&e;</Name></GetThingResult></GetThingResponse>": "it is not XML, or not of the form",
	} {
		got, err := awsquery.ParseAnswer[thing]("GetThing", []byte(text))
		if e, ok := errors.AsType[*awsquery.AnswerError](err); !ok || !strings.HasPrefix(e.Detail, want) || !reflect.DeepEqual(got, thing{}) {
			t.Errorf("%s: %+v, %v, want %s", text, got, err, want)
		}
	}
}

func TestParseFailure(t *testing.T) {
	want := awsquery.Failure{Status: 403, Code: "AccessDenied", Message: `not <you> & "yours"`}
	got, id, err := awsquery.ParseFailure(403, want.Body("https://x.example/doc/", "r-1"))
	if err != nil || got != want || id != "r-1" {
		t.Errorf("%+v, %q, %v", got, id, err)
	}
	for _, text := range []string{"", "no", "<html/>", "<ErrorResponse/>", "<ErrorResponse><Error><Message>m</Message></Error></ErrorResponse>", "<ErrorResponse><Error>", "<ErrorResponse><Error><Code>a b</Code></Error></ErrorResponse>"} {
		got, id, err := awsquery.ParseFailure(500, []byte(text))
		if _, ok := errors.AsType[*awsquery.AnswerError](err); !ok || got != (awsquery.Failure{}) || id != "" {
			t.Errorf("%s: %+v, %q, %v", text, got, id, err)
		}
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add(awsquery.Answer("n", "GetThing", thing{Name: "a<", List: awsquery.List([]string{"x"})}, "r"))
	f.Add([]byte("<GetThingResponse><GetThingResult><Name><![CDATA[x]]></Name><!-- c --></GetThingResult><x/></GetThingResponse>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := awsquery.ParseAnswer[thing]("GetThing", body)
		if err != nil {
			if _, ok := errors.AsType[*awsquery.AnswerError](err); !ok || !reflect.DeepEqual(got, thing{}) {
				t.Fatalf("%+v, %v", got, err)
			}
			return
		}
		again, err := awsquery.ParseAnswer[thing]("GetThing", awsquery.Answer("n", "GetThing", got, "r"))
		if err != nil || again.Name != got.Name || !slices.Equal(again.List.Member, got.List.Member) {
			t.Fatalf("%+v became %+v, %v", got, again, err)
		}
	})
}

func FuzzParseFailure(f *testing.F) {
	f.Add(awsquery.Failure{Code: "X", Message: "m<"}.Body("n", "r"))
	f.Fuzz(func(t *testing.T, body []byte) {
		got, _, err := awsquery.ParseFailure(400, body)
		if (err == nil) == (got.Code == "") {
			t.Fatalf("%+v, %v", got, err)
		}
	})
}
