package prove

// facts are of one project that is guarded as the default requires.
const facts = `mayfly-facts: 1
gitlab: https://gitlab.example.com
version: 19.1.0-ee
tier: premium
projects:
  - path: acme/web
    id: 7
    namespace_id: 70
    tier: premium
    default_branch: main
    visibility: private
    mirror: false
    push_rule: none
    fork_pipelines_in_parent: true
    sub_claim_components: [project_path, ref_type, ref]
    protect_merge_request_pipelines: true
    pipeline_variables: maintainer
    author_may_approve: false
    approval_rules_overridable: false
    approval_rules:
      - {name: Two, type: any_approver, required: 1, branches: protected}
    protected_branches:
      - {name: production, push: no one, merge: maintainer, force_push: false}
    protected_tags: none
    protected_environments: none
    group_protected_environments: none
`
