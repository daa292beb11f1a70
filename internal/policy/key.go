package policy

// Keys are the condition keys that the statement asks about, in its conditions
// and in variables, each once, in the order written. A variable that has a value
// for when its key is absent asks about it all the same.
func (s *Statement) Keys() []string {
	var keys []string
	seen := map[string]bool{} // :: FoldKey → it is in keys
	add := func(key string) {
		if fold := FoldKey(key); !seen[fold] {
			seen[fold] = true
			keys = append(keys, key)
		}
	}
	for i := range s.resources {
		s.resources[i].eachVariable(add)
	}
	for i := range s.conditions {
		add(s.conditions[i].key)
		for j := range s.conditions[i].values {
			s.conditions[i].values[j].eachVariable(add)
		}
	}
	return keys
}

// Variables are the condition keys that stand as variables in the condition's
// values, in the order written.
func (c *Condition) Variables() []string {
	var keys []string
	for i := range c.values {
		c.values[i].eachVariable(func(key string) { keys = append(keys, key) })
	}
	return keys
}

func (t *template) eachVariable(add func(key string)) {
	for _, p := range t.parts {
		if p.Kind == Variable {
			add(p.Text)
		}
	}
}

func (v *Value) eachVariable(add func(key string)) {
	switch c := v.compare.(type) {
	case *equalTest:
		c.eachVariable(add)
	case *likeTest:
		c.eachVariable(add)
	case *arnTest:
		for i := range c.arnPattern {
			c.arnPattern[i].eachVariable(add)
		}
	}
}

// Compares reports whether a text is a value, of a request, that a test can
// compare with others.
func (t Test) Compares(text string) bool {
	ok := true
	switch t {
	case NumericEquals, NumericLessThan, NumericLessThanEquals, NumericGreaterThan, NumericGreaterThanEquals:
		_, ok = parseDecimal(text)
	case DateEquals, DateLessThan, DateLessThanEquals, DateGreaterThan, DateGreaterThanEquals:
		_, ok = parseInstant(text)
	case Bool:
		_, ok = parseBool(text)
	case BinaryEquals:
		_, ok = parseBinary(text)
	case IPAddress:
		_, ok = parseAddr(text)
	}
	return ok
}
