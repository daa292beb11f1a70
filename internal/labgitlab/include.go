package labgitlab

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxIncludes is GitLab's ci_max_includes.
const maxIncludes = 150

// includer reads a pipeline's files and merges them into one tree.
type includer struct {
	source
	variables variableList // for $VAR in a location and for include:rules
	component func(address string, at Position) (component, error)
	count     int
	open      []source
}

// source is a file and the tree it lies in. What it includes as local lies
// there too.
type source struct {
	files fs.FS
	where string // of a component, its project and commit; empty: the pipeline's own
	name  string
}

// document is one CI file as parsed: its content without the spec header.
type document struct {
	header  *node // spec, nil where there is none
	content *node
}

// parseDocument reads one CI file. Only its outer shape is checked.
func parseDocument(name string, content []byte) (document, error) {
	documents, err := parseYAML(name, content, false)
	if err != nil {
		return document{}, err
	}
	var d document
	switch {
	case len(documents) == 1:
		d.content = documents[0]
	case len(documents) == 2 && documents[0].has("spec"):
		d.header, d.content = documents[0], documents[1]
	default:
		return document{}, malformed(Position{File: name}, "a CI file is one YAML document, or two of which the first is spec")
	}
	if !d.content.is(kindMap) {
		return document{}, malformed(Position{File: name}, "a CI file should be a mapping, not %s", d.content.describe())
	}
	return d, nil
}

// load reads a file and everything it includes: included files first, in
// order, then the file's own content over them. given are its inputs.
func (in *includer) load(name string, given *node, at Position) (*node, error) {
	content, err := fs.ReadFile(in.files, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrInvalid) {
		return nil, refuse(ReasonUnknown, Position{File: name}, "there is no such file in the project's working tree")
	}
	if err != nil {
		return nil, err
	}
	d, err := parseDocument(name, content)
	if err != nil {
		return nil, err
	}
	if d.content, err = in.interpolate(d, given, at); err != nil {
		return nil, err
	}
	in.name = name
	in.open = append(in.open, in.source)
	defer func() { in.open = in.open[:len(in.open)-1] }()
	return in.includes(d.content)
}

// interpolate puts a file's inputs into it. One without a header has none, and
// is as it is written.
func (in *includer) interpolate(d document, given *node, at Position) (*node, error) {
	if d.header == nil {
		if !given.null() {
			return nil, malformed(given.pos, "unknown input arguments: the file has no spec:inputs")
		}
		return d.content, nil
	}
	declared, err := readInputs(d.header)
	if err != nil {
		return nil, err
	}
	values, err := inputValues(declared, given, at)
	if err != nil {
		return nil, err
	}
	x := interpolator{values: values, variables: in.variables}
	content, err := x.node(d.content)
	if err == nil && content.size > maxYAMLNodes {
		return nil, malformed(d.content.pos, "more than %d values once inputs are put in", maxYAMLNodes)
	}
	return content, err
}

func (in *includer) includes(content *node) (*node, error) {
	include := content.get("include")
	own := content.without("include")
	if include.null() {
		return own, nil
	}
	items := []*node{include}
	if include.is(kindList) {
		items = include.list
	}
	merged := newMap(content.pos, nil)
	for _, item := range items {
		found, err := in.sources(item)
		if err != nil {
			return nil, err
		}
		for _, from := range found {
			file, err := in.include(item, from)
			if err != nil {
				return nil, err
			}
			merged = merge(merged, file)
		}
	}
	return merge(merged, own), nil
}

// include reads one file that an entry means.
func (in *includer) include(item *node, from source) (*node, error) {
	if in.count++; in.count > maxIncludes {
		return nil, malformed(item.pos, "more than %d files are included", maxIncludes)
	}
	if slices.ContainsFunc(in.open, func(s source) bool { return s.name == from.name && s.where == from.where }) {
		return nil, malformed(item.pos, "%s includes itself", from.name)
	}
	own := in.source
	defer func() { in.source = own }()
	in.source = from
	file, err := in.load(from.name, item.get("inputs"), item.pos)
	if ReasonOf(err) == ReasonUnknown {
		return nil, malformed(item.pos, "included file %s does not exist", from.name)
	}
	return file, err
}

// includeKeys are what an include entry may say.
var includeKeys = []string{"local", "component", "rules", "inputs"}

// sources lists the files one include entry means.
func (in *includer) sources(item *node) ([]source, error) {
	location := item
	if item.is(kindMap) {
		for _, e := range item.entries {
			if !slices.Contains(includeKeys, e.key) {
				return nil, notModelled("include:"+e.key, e.pos, "the lab includes files of the project's own tree (local) and components")
			}
		}
		if applies, err := in.applies(item.get("rules")); err != nil || !applies {
			return nil, err
		}
		if named := item.get("component"); !named.null() {
			return in.components(item, named)
		}
		location = item.get("local")
	}
	if !location.is(kindString) {
		return nil, malformed(item.pos, "include takes a file name, or a mapping with local or component")
	}
	name := in.variables.expandText(location.text)
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return nil, notModelled("include:remote", item.pos, "the lab includes files of the project's own tree (local) and components")
	}
	name = path.Clean(strings.TrimPrefix(name, "/"))
	if extension := path.Ext(name); extension != ".yml" && extension != ".yaml" {
		return nil, malformed(item.pos, "included file %s does not have YAML extension", name)
	}
	names := []string{name}
	if strings.Contains(name, "*") {
		var err error
		if names, err = in.glob(item, name); err != nil {
			return nil, err
		}
	}
	var out []source
	for _, name := range names {
		out = append(out, source{in.files, in.where, name})
	}
	return out, nil
}

// components is the file of a component.
func (in *includer) components(item, named *node) ([]source, error) {
	if item.has("local") || !named.is(kindString) {
		return nil, malformed(named.pos, "include takes a file name, or a mapping with local or component")
	}
	if in.component == nil {
		return nil, notModelled("include:component", named.pos, "there is no instance to find it in")
	}
	address := in.variables.expandText(named.text)
	found, err := in.component(address, named.pos)
	if err != nil {
		return nil, err
	}
	for _, name := range found.names {
		if _, err := fs.Stat(found.files, name); err == nil {
			return []source{{found.files, found.where, name}}, nil
		}
	}
	return nil, malformed(named.pos, "component %s: the project has no %s", address, strings.Join(found.names, " and no "))
}

func (in *includer) glob(item *node, pattern string) ([]string, error) {
	names, err := listFiles(in.files)
	if err != nil {
		return nil, err
	}
	var matching []string
	for _, name := range names {
		if globMatch(pattern, name) {
			matching = append(matching, name)
		}
	}
	if len(matching) == 0 {
		return nil, malformed(item.pos, "included pattern %s matches no file", pattern)
	}
	return matching, nil
}

// applies evaluates include:rules, which know if, exists and when.
func (in *includer) applies(rules *node) (bool, error) {
	if rules.null() {
		return true, nil
	}
	parsed, err := parseRules(rules, "include:rules", []string{"if", "exists", "changes", "when"}, []string{"always", "never", "on_success"})
	if err != nil {
		return false, err
	}
	context := ruleContext{variables: in.variables, files: func() ([]string, error) { return listFiles(in.files) }}
	matched, err := context.first(parsed)
	return err == nil && matched != nil && matched.when != "never", err
}

// maxListedFiles bounds the walk of a working tree.
const maxListedFiles = 50_000

var errTooManyFiles = errors.New("the working tree has more files than the lab lists")

// listFiles lists a working tree in lexical order, without .git.
func listFiles(files fs.FS) ([]string, error) {
	var names []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		if names = append(names, name); len(names) > maxListedFiles {
			return errTooManyFiles
		}
		return nil
	})
	return names, err
}
