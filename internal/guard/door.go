package guard

import (
	"fmt"
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
	d := &door{p: p, kind: kind, ref: ref}
	switch kind {
	case Tag:
		d.tag()
	case MergeRequest:
		d.breaks(NotMergeRequest, Reviewed, NoDirectPush)
		d.isProtected()
	default:
		if d.isProtected() {
			d.pushes()
			d.mirror()
			d.approvals()
		}
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
	_, known := d.p.ApprovalRules.Value()
	switch unsure := d.unsure[Reviewed]; {
	case d.broken[Reviewed] || known && d.count.perhaps == 0 && d.counts():
		return Known("0")
	case unsure != nil:
		return Unknown[string](unsure.Why()).From(unsure.Source())
	case !d.counts():
		return Known(strconv.Itoa(MostApprovals))
	case d.count.surely != d.count.perhaps:
		return Unknown[string](d.count.why).From(d.p.ApprovalRules.Source())
	}
	return Known(strconv.Itoa(d.count.surely))
}

// counts reports whether anything can be merged into the ref, so that approvals
// are a matter of how many.
func (d *door) counts() bool { return d.kind == Branch && d.mergeable() }

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

func (d *door) pushes() {
	for _, r := range d.rules() {
		who, known := r.Push.Value()
		switch someone := len(someone(who)) > 0; {
		case !known:
			d.unknown(r.Push, NoDirectPush, Reviewed)
		case someone:
			d.breaks(NoDirectPush, Reviewed)
		default:
			continue // nobody pushes, by force either
		}
		switch on, told := r.ForcePush.Value(); {
		case !told:
			d.unknown(r.ForcePush, NoForcePush)
		case on && !known:
			d.unknown(r.Push, NoForcePush)
		case on:
			d.breaks(NoForcePush)
		}
	}
}

func (d *door) mirror() {
	d.setting(d.p.Mirror, true, false, NoDirectPush, Reviewed, NoForcePush)
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

// mergeable reports whether somebody may change the branch, or perhaps may.
func (d *door) mergeable() bool {
	for _, r := range d.rules() {
		merge, told := r.Merge.Value()
		push, known := r.Push.Value()
		if !told || !known || len(someone(merge)) > 0 || len(someone(push)) > 0 {
			return true
		}
	}
	return false
}

func (d *door) approvals() {
	if !d.mergeable() {
		return
	}
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

// rule counts the approvals that a rule asks for, if it applies: as many as its
// approvers can give. One that too few can meet is met by itself.
func (d *door) rule(r ApprovalRule) {
	if r.Type != "any_approver" && r.Type != "regular" || !d.applies(r) {
		return
	}
	surely := min(r.Required, MostApprovals)
	perhaps := surely
	if approvers, told := r.Approvers.Value(); r.Type == "regular" {
		surely = min(surely, len(approvers))
		if told {
			perhaps = surely
		} else if perhaps > d.count.perhaps {
			d.count.why = fmt.Sprintf("who may approve by the rule %q: %s", r.Name, r.Approvers.Why())
		}
	}
	d.count.surely, d.count.perhaps = max(d.count.surely, surely), max(d.count.perhaps, perhaps)
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
		approvers, _ := r.Approvers.Value()
		numbers = append(numbers, min(r.Required, MostApprovals), min(len(approvers), MostApprovals))
	}
	slices.Sort(numbers)
	return slices.DeleteFunc(slices.Compact(numbers), func(n int) bool { return n == 0 })
}
