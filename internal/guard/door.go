package guard

import (
	"slices"
	"strconv"
	"strings"

	"mayfly.internal/internal/regular"
)

// DoorPrefix begins the condition keys that say what GitLab enforces around a job
// when it asks for a role.
const DoorPrefix = "mayfly:guard/"

// doorKey is a condition key: what it says where a requirement is met, and where
// it is broken. Reviewed's is a number.
type doorKey struct {
	name        string
	kind        Kind
	met, broken string
}

var doorKeys = []doorKey{
	{"protected", Protected, "true", "false"},
	{"approvals", Reviewed, "", ""},
	{"direct-push", NoDirectPush, "false", "true"},
	{"force-push", NoForcePush, "false", "true"},
	{"author-approval", NoAuthorApproval, "false", "true"},
	{"committer-approval", NoCommitterApproval, "false", "true"},
	{"approval-reset", ResetApprovals, "true", "false"},
	{"code-owners", CodeOwners, "true", "false"},
	{"variable-override", NoVariableOverride, "false", "true"},
	{"merge-request", NotMergeRequest, "false", "true"},
}

// DoorKeys are the condition keys, with their prefix.
func DoorKeys() []string {
	out := make([]string, len(doorKeys))
	for i, k := range doorKeys {
		out[i] = DoorPrefix + k.name
	}
	return out
}

// Door is the condition key that is about a requirement, and its values where the
// requirement is broken; "" if there is none.
func (r Requirement) Door() (key string, broken []string) {
	for _, k := range doorKeys {
		if k.kind != r.Kind {
			continue
		}
		if k.kind != Reviewed {
			return DoorPrefix + k.name, []string{k.broken}
		}
		for n := range r.Count {
			broken = append(broken, strconv.Itoa(n))
		}
		return DoorPrefix + k.name, broken
	}
	return "", nil
}

// DoorAnswer is what a condition key says of a job: a value, or why nobody knows.
// It is never absent: where the tier has no such guard, that is known.
type DoorAnswer struct {
	Key   string
	Value Fact[string]
}

// MostApprovals is how many approvals a change needs that nobody may make.
const MostApprovals = maxApprovals

// Door is what every condition key says of a job of the project: of a branch, a
// tag, or a merge request of which ref is the source branch. It says of one ref,
// quickly, what Gaps says of all.
//
// A push rule that refuses the ref's name counts for nothing here: the ref is
// there.
func (p *Project) Door(kind RefKind, ref string) []DoorAnswer {
	d := &door{p: p, kind: kind, ref: ref, made: approvalCount{MostApprovals, MostApprovals, ""}}
	switch kind {
	case Tag:
		d.tag()
	case MergeRequest: // what it runs is not the source branch's alone; of that the rest is said
		d.branch()
		d.breaks(NotMergeRequest, Reviewed, NoDirectPush)
	default:
		d.branch()
	}
	d.variables()
	out := make([]DoorAnswer, len(doorKeys))
	for i, k := range doorKeys {
		out[i] = DoorAnswer{DoorPrefix + k.name, d.says(k)}
	}
	return out
}

// door is a look at one ref: which requirements are broken there, and of which
// nobody knows whether they are.
type door struct {
	p      *Project
	kind   RefKind
	ref    string
	broken [len(kindNames)]bool
	unsure [len(kindNames)]Said // what is not known; nil: nothing
	count  approvalCount
	merged answer        // whether anything can be merged into the branch
	merger Said          // why nobody knows whether anything can
	made   approvalCount // what the branches need that it may have been made from
}

// approvalCount is how many approvals a merge needs surely, and perhaps.
type approvalCount struct {
	surely, perhaps int
	why             string // they differ
}

func (d *door) breaks(kinds ...Kind) {
	for _, k := range kinds {
		d.broken[k] = true
	}
}

func (d *door) unknown(f Said, kinds ...Kind) {
	for _, k := range kinds {
		if d.unsure[k] == nil {
			d.unsure[k] = f
		}
	}
}

// says is a key's value.
func (d *door) says(k doorKey) Fact[string] {
	switch unsure := d.unsure[k.kind]; {
	case k.kind == Reviewed:
		return d.reviews()
	case d.broken[k.kind]:
		return Known(k.broken)
	case unsure != nil:
		return Unknown[string](unsure.Why()).From(unsure.Source())
	}
	return Known(k.met)
}

// reviews is how many approve before the ref changes.
func (d *door) reviews() Fact[string] {
	n := d.needs()
	if d.made.surely < n.surely {
		n.surely, n.why = d.made.surely, d.made.why
	}
	if n.perhaps = min(n.perhaps, d.made.perhaps); n.surely != n.perhaps {
		return Unknown[string](n.why).From(d.p.ApprovalRules.Source())
	}
	return Known(strconv.Itoa(n.surely))
}

// needs is how many approvals a change of the ref needs, surely and perhaps.
func (d *door) needs() approvalCount {
	n := d.count
	switch d.merged {
	case no:
		n.surely, n.perhaps = MostApprovals, MostApprovals
	case perhaps: // how many would be needed does not say that any are
		n.perhaps, n.why = MostApprovals, d.merger.Why()
	}
	unsure := d.unsure[Reviewed]
	if _, known := d.p.ApprovalRules.Value(); !known && d.merged != no {
		n.perhaps = MostApprovals
	}
	switch {
	case d.broken[Reviewed]:
		return approvalCount{}
	case unsure != nil:
		n.surely, n.why = 0, unsure.Why()
	}
	return n
}

// branch looks at the guards of a branch.
func (d *door) branch() {
	if d.isProtected() {
		d.guards()
		d.creation()
	}
}

// guards looks at those of a branch that is protected.
func (d *door) guards() {
	d.pushes()
	d.mirror()
	d.approvals()
}

// isProtected looks for the rules that protect the branch; false if nobody knows
// them.
func (d *door) isProtected() bool {
	if _, known := d.p.ProtectedBranches.Value(); !known {
		d.unknown(d.p.ProtectedBranches, onlyRefs...)
		return false
	}
	if len(d.rules()) == 0 {
		d.breaks(onlyRefs...)
	}
	return true
}

// rules are those that protect the branch.
func (d *door) rules() []ProtectedBranch {
	all, _ := d.p.ProtectedBranches.Value()
	var out []ProtectedBranch
	for _, r := range all {
		if Matches(r.Name, d.ref) {
			out = append(out, r)
		}
	}
	return out
}

// pushes: whoever passes one rule passes, and one that allows force push allows it
// to whom any lets push.
func (d *door) pushes() {
	if empty, _ := d.p.EmptyRepo.Value(); empty { // whatever came first was held to no rule
		d.breaks(NoDirectPush, Reviewed)
	}
	rules := d.rules()
	for _, r := range rules {
		switch who, known := r.Push.Value(); {
		case !known:
			d.unknown(r.Push, NoDirectPush, Reviewed)
		case len(someone(who)) > 0:
			d.breaks(NoDirectPush, Reviewed)
		}
		for _, by := range rules {
			who, known := by.Push.Value()
			switch on, told := r.ForcePush.Value(); {
			case known && len(someone(who)) == 0, told && !on:
			case !told:
				d.unknown(r.ForcePush, NoForcePush)
			case !known:
				d.unknown(by.Push, NoForcePush)
			default:
				d.breaks(NoForcePush)
			}
		}
	}
}

func (d *door) mirror() {
	kinds := []Kind{NoDirectPush, Reviewed, NoForcePush}
	if d.kind == Tag {
		kinds = kinds[:2]
	}
	d.setting(d.p.Mirror, true, false, kinds...)
}

// setting looks at a setting of which one value is bad. absent: so is a tier that
// lacks it.
func (d *door) setting(f Fact[bool], bad, absent bool, kinds ...Kind) {
	switch on, known := f.Value(); {
	case f.State() == StateAbsent && !absent:
	case f.State() == StateAbsent, known && on == bad:
		d.breaks(kinds...)
	case !known:
		d.unknown(f, kinds...)
	}
}

// changeable says whether somebody may change the branch, and of what is not known
// whether they may.
func (d *door) changeable() (answer, Said) {
	known := yes
	var unsure Said
	found := false
	for _, r := range d.rules() {
		for _, list := range []Fact[[]Access]{r.Merge, r.Push} {
			switch who, told := list.Value(); {
			case !told:
				known, unsure = perhaps, list
			case len(someone(who)) > 0:
				found = true
			}
		}
	}
	switch {
	case found:
		return yes, nil
	case known == perhaps:
		return perhaps, unsure
	}
	return no, nil
}

// answer is yes, no, or nobody knows.
type answer uint8

const (
	no answer = iota
	perhaps
	yes
)

// approvals looks at what a merge needs. Where nobody knows whether anybody may
// merge, what is missing is only perhaps missed.
func (d *door) approvals() {
	var who Said
	if d.merged, who = d.changeable(); d.merged == no {
		return
	}
	before := d.broken
	d.merges()
	if d.merged == yes {
		return
	}
	for k := range d.broken {
		if d.broken[k] && !before[k] {
			d.broken[k] = false
			d.unknown(who, Kind(k))
		}
	}
	d.merger = who
}

func (d *door) merges() {
	d.setting(d.p.ApprovalRulesOverridable, true, false, Reviewed)
	d.setting(d.p.AuthorMayApprove, true, true, NoAuthorApproval)
	d.setting(d.p.CommittersMayApprove, true, true, NoCommitterApproval)
	d.setting(d.p.ResetApprovalsOnPush, false, true, ResetApprovals)
	d.codeOwners()
	rules, known := d.p.ApprovalRules.Value()
	switch {
	case d.p.ApprovalRules.State() == StateAbsent:
		d.breaks(Reviewed)
	case !known:
		d.unknown(d.p.ApprovalRules, Reviewed)
	}
	for _, r := range rules {
		d.rule(r)
	}
}

// rule counts the approvals that a rule asks for, if it applies and means what it
// says.
func (d *door) rule(r ApprovalRule) {
	if r.Type != "any_approver" && r.Type != "regular" || !d.applies(r) {
		return
	}
	n := min(r.Required, MostApprovals)
	switch enough, why := d.p.enough(r); {
	case why != "":
		if n > d.count.perhaps {
			d.count.perhaps, d.count.why = n, why
		}
	case enough:
		d.count.surely, d.count.perhaps = max(d.count.surely, n), max(d.count.perhaps, n)
	}
}

// applies reports whether an approval rule is for the branch, which is protected.
func (d *door) applies(r ApprovalRule) bool {
	if r.Branches != NamedBranches {
		return true
	}
	for _, name := range r.Named {
		if Matches(name, d.ref) {
			return true
		}
	}
	return false
}

func (d *door) codeOwners() {
	var unsure Said
	for _, r := range d.rules() {
		switch on, known := r.CodeOwners.Value(); {
		case known && on:
			return
		case r.CodeOwners.State() == StateUnknown:
			unsure = r.CodeOwners
		}
	}
	if unsure != nil {
		d.unknown(unsure, CodeOwners)
		return
	}
	d.breaks(CodeOwners)
}

func (d *door) tag() {
	rules, known := d.p.ProtectedTags.Value()
	if !known {
		d.unknown(d.p.ProtectedTags, onlyRefs...)
		return
	}
	d.mirror()
	protected := false
	for _, r := range rules {
		if !Matches(r.Name, d.ref) {
			continue
		}
		protected = true
		switch who, told := r.Create.Value(); {
		case !told:
			d.unknown(r.Create, NoDirectPush, Reviewed)
		case len(someone(who)) > 0:
			d.breaks(NoDirectPush, Reviewed)
		}
	}
	if !protected {
		d.breaks(onlyRefs...)
	}
}

func (d *door) variables() {
	switch level, known := d.p.PipelineVariables.Value(); {
	case !known:
		d.unknown(d.p.PipelineVariables, NoVariableOverride)
	case level != NoAccess && level <= Developer:
		d.breaks(NoVariableOverride)
	}
}

// Matches reports whether a protection's name matches a ref: it is the ref's, or
// has a `*`, which stands for anything. (GitLab, app/models/ref_matcher.rb.)
func Matches(name, ref string) bool {
	first, rest, wild := strings.Cut(name, "*")
	if !wild {
		return name == ref
	}
	ref, found := strings.CutPrefix(ref, first)
	for found {
		var piece string
		if piece, rest, wild = strings.Cut(rest, "*"); !wild {
			return strings.HasSuffix(ref, piece)
		}
		_, ref, found = strings.Cut(ref, piece)
	}
	return false
}

// DoorCase is a value of a condition key, and the refs at which it is that.
type DoorCase struct {
	Value string
	Refs  regular.Language
}

// DoorCases are the values that a condition key has over all refs of a kind, and
// the refs of which nobody knows it: Door, of all refs at once.
func (p *Project) DoorCases(w *regular.Work, kind RefKind, key string) (cases []DoorCase, unknown regular.Language) {
	for _, k := range doorKeys {
		if DoorPrefix+k.name == key {
			there := *p
			there.PushRule = Absent[PushRule]("the ref is there")
			if k.kind == Reviewed {
				return there.approvalCases(w, kind)
			}
			sure, perhaps := there.brokenRefs(w, kind, Requirement{Kind: k.kind})
			return []DoorCase{{k.broken, sure}, {k.met, w.Subtract(p.Refs(w, kind), w.Union(sure, perhaps))}}, perhaps
		}
	}
	return nil, regular.Language{}
}

// brokenRefs are the refs at which a requirement is surely broken, and the others
// at which it perhaps is.
func (p *Project) brokenRefs(w *regular.Work, kind RefKind, r Requirement) (surely, perhaps regular.Language) {
	for _, g := range p.Gaps(w, kind, []Requirement{r}) {
		if g.Surely {
			surely = w.Union(surely, g.Refs)
		} else {
			perhaps = w.Union(perhaps, g.Refs)
		}
	}
	return surely, w.Subtract(perhaps, surely)
}

// approvalCases looks at each number of approvals that any rule asks for.
func (p *Project) approvalCases(w *regular.Work, kind RefKind) (cases []DoorCase, unknown regular.Language) {
	rest, from := p.Refs(w, kind), 0 // the refs that need from, or more
	for _, n := range p.approvalNumbers() {
		broken, perhaps := p.brokenRefs(w, kind, Requirement{Reviewed, n})
		cases = append(cases, DoorCase{strconv.Itoa(from), w.Intersect(rest, broken)})
		unknown = w.Union(unknown, w.Intersect(rest, perhaps))
		rest, from = w.Subtract(rest, w.Union(broken, perhaps)), n
	}
	return append(cases, DoorCase{strconv.Itoa(from), rest}), unknown
}

// approvalNumbers are the numbers at which the answer may change.
func (p *Project) approvalNumbers() []int {
	numbers := []int{MostApprovals}
	rules, _ := p.ApprovalRules.Value()
	for _, r := range rules {
		numbers = append(numbers, min(r.Required, MostApprovals))
	}
	slices.Sort(numbers)
	return slices.DeleteFunc(slices.Compact(numbers), func(n int) bool { return n == 0 })
}
