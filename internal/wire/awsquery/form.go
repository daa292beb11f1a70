package awsquery

import (
	"net/url"
	"strconv"
)

// Form is a request to be sent: an operation and its parameters, as Decode reads
// them. It is not safe for concurrent use.
type Form struct{ values url.Values }

// NewForm makes a request of an API's version.
func NewForm(version, action string) *Form {
	return &Form{url.Values{"Action": {action}, "Version": {version}}}
}

// Text adds a parameter, unless it is empty: a client leaves out what it does not
// say.
func (f *Form) Text(name, value string) *Form {
	if value != "" {
		f.values.Set(name, value)
	}
	return f
}

// Int adds a parameter, unless it is 0.
func (f *Form) Int(name string, value int) *Form {
	if value == 0 {
		return f
	}
	return f.Text(name, strconv.Itoa(value))
}

// List adds NAME.member.1, NAME.member.2 ….
func (f *Form) List(name string, values []string) *Form {
	for i, v := range values {
		f.values.Set(name+".member."+strconv.Itoa(i+1), v)
	}
	return f
}

// Pairs adds the Key and Value of NAME.member.N.
func (f *Form) Pairs(name string, pairs [][2]string) *Form {
	for i, p := range pairs {
		item := name + ".member." + strconv.Itoa(i+1)
		f.values.Set(item+".Key", p[0])
		f.values.Set(item+".Value", p[1])
	}
	return f
}

// Action is the operation.
func (f *Form) Action() string { return f.values.Get("Action") }

// Body is the body of the POST.
func (f *Form) Body() []byte { return []byte(f.values.Encode()) }
