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
	files     fs.FS
	variables variableList // for $VAR in a location and for include:rules
	count     int
	open      []string
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
// order, then the file's own content over them.
func (in *includer) load(name string) (*node, error) {
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
	if d.header != nil {
		return nil, notModelled("spec", d.header.keyPos("spec"), "inputs of included configuration")
	}
	in.open = append(in.open, name)
	defer func() { in.open = in.open[:len(in.open)-1] }()
	return in.includes(d.content)
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
		names, err := in.locations(item)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if in.count++; in.count > maxIncludes {
				return nil, malformed(item.pos, "more than %d files are included", maxIncludes)
			}
			if slices.Contains(in.open, name) {
				return nil, malformed(item.pos, "%s includes itself", name)
			}
			file, err := in.load(name)
			if ReasonOf(err) == ReasonUnknown {
				return nil, malformed(item.pos, "included file %s does not exist", name)
			}
			if err != nil {
				return nil, err
			}
			merged = merge(merged, file)
		}
	}
	return merge(merged, own), nil
}

// locations lists the files one include entry means.
func (in *includer) locations(item *node) ([]string, error) {
	location := item
	if item.is(kindMap) {
		for _, e := range item.entries {
			if e.key != "local" && e.key != "rules" {
				return nil, notModelled("include:"+e.key, e.pos, "the lab includes files of the project's own tree (local) only")
			}
		}
		if applies, err := in.applies(item.get("rules")); err != nil || !applies {
			return nil, err
		}
		location = item.get("local")
	}
	if !location.is(kindString) {
		return nil, malformed(item.pos, "include takes a file name or a mapping with local")
	}
	name := in.variables.expandText(location.text)
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return nil, notModelled("include:remote", item.pos, "the lab includes files of the project's own tree (local) only")
	}
	name = path.Clean(strings.TrimPrefix(name, "/"))
	if extension := path.Ext(name); extension != ".yml" && extension != ".yaml" {
		return nil, malformed(item.pos, "included file %s does not have YAML extension", name)
	}
	if !strings.Contains(name, "*") {
		return []string{name}, nil
	}
	return in.glob(item, name)
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
