package labgitlab

import (
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// component is a CI/CD component that an include names and that was found.
type component struct {
	files fs.FS    // the working tree of its project, at its version
	names []string // where its file may lie, the first that exists
	where string   // its project and commit
}

// componentAddress is what include:component takes: HOST/PROJECT/NAME@VERSION.
type componentAddress struct{ project, name, version string }

var (
	componentName    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)
	shorthandVersion = regexp.MustCompile(`^\d{1,9}(\.\d{1,9})?$`)
	semanticVersion  = regexp.MustCompile(`^v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})$`) // no pre-release: those are never the latest
)

func parseComponentAddress(address, host string, at Position) (componentAddress, error) {
	path, version, found := strings.Cut(address, "@")
	if !found || version == "" || !strings.HasPrefix(path, host+"/") {
		return componentAddress{}, malformed(at, "component %s: it should be %s/GROUP/PROJECT/NAME@VERSION", address, host)
	}
	path = strings.TrimPrefix(path, host+"/")
	i := strings.LastIndexByte(path, '/')
	if i <= 0 || !componentName.MatchString(path[i+1:]) {
		return componentAddress{}, malformed(at, "component %s: it should be %s/GROUP/PROJECT/NAME@VERSION", address, host)
	}
	return componentAddress{path[:i], path[i+1:], version}, nil
}

// component finds a component in the instance, as the pipeline's user may see
// it (GitLab docs, "CI/CD components").
func (s *seed) component(address string, at Position) (component, error) {
	a, err := parseComponentAddress(address, issuerHost(s.issuer), at)
	if err != nil {
		return component{}, err
	}
	p, ok := s.world.Project(a.project)
	if !ok || p.Visibility == "private" && s.world.Level(p, s.user) < Reporter && !s.user.Admin {
		return component{}, malformed(at, "component %s: there is no such project, or %s may not read it", address, s.user.Username)
	}
	if !p.CatalogResource && (a.version == "~latest" || shorthandVersion.MatchString(a.version)) {
		return component{}, malformed(at, "component %s: %s is for a project that is published in the CI/CD catalog (catalog_resource)", address, a.version)
	}
	ref, ok := p.componentVersion(a.version)
	if !ok {
		return component{}, malformed(at, "component %s: the project has no version %s", address, a.version)
	}
	tree, err := s.openTree(ref.Directory)
	if err != nil {
		return component{}, err
	}
	return component{tree, []string{"templates/" + a.name + ".yml", "templates/" + a.name + "/template.yml"}, p.Path + "@" + ref.SHA}, nil
}

// componentVersion finds the ref of a version: the newest release, one that
// begins with the numbers, a tag, a branch, or a commit.
func (p *Project) componentVersion(version string) (Ref, bool) {
	if version == "~latest" || p.CatalogResource && shorthandVersion.MatchString(version) {
		if ref, ok := p.latestRelease(version); ok || version == "~latest" {
			return ref, ok
		}
	}
	for _, kind := range []RefType{Tag, Branch} {
		if ref, ok := p.Ref(kind, version); ok {
			return ref, true
		}
	}
	if isSHA.MatchString(version) {
		for _, tag := range p.Tags {
			if ref, _ := p.Ref(Tag, tag.Name); ref.SHA == version {
				return ref, true
			}
		}
		for _, branch := range p.Branches {
			if ref, _ := p.Ref(Branch, branch.Name); ref.SHA == version {
				return ref, true
			}
		}
	}
	return Ref{}, false
}

// latestRelease is the tag with the highest semantic version, of those that
// begin with the numbers.
func (p *Project) latestRelease(version string) (Ref, bool) {
	var best []int
	var name string
	for _, tag := range p.Tags {
		m := semanticVersion.FindStringSubmatch(tag.Name)
		if m == nil {
			continue
		}
		var numbers []int
		for _, text := range m[1:] {
			n, _ := strconv.Atoi(text) // nine digits
			numbers = append(numbers, n)
		}
		if version != "~latest" && !strings.HasPrefix(strings.Join(m[1:], ".")+".", version+".") {
			continue
		}
		if best == nil || slices.Compare(numbers, best) > 0 {
			best, name = numbers, tag.Name
		}
	}
	if best == nil {
		return Ref{}, false
	}
	return p.Ref(Tag, name)
}
