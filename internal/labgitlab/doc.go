// Package labgitlab is the GitLab stand-in of the lab: an identity provider
// whose ID tokens carry exactly the claims that GitLab's carry, and enough of
// GitLab CI around it to run a project's .gitlab-ci.yml on this machine.
//
// It copies the real one's documented behaviour:
//
//   - [World] describes one instance: people, groups, projects, refs,
//     protections, environments, CI/CD variables.
//   - [Server] is the instance over HTTP: the OpenID Connect discovery document
//     and key set that a relying party reads, the part of the REST API that
//     says what guards a project, and the lab's own door under /-/lab/, which
//     creates pipelines, mints tokens and changes protections for the holder
//     of the lab's secret.
//   - [ParseCIFile] and [LoadPipeline] read .gitlab-ci.yml: the first lists
//     what one file declares, the second resolves include, extends, default
//     and !reference into jobs.
//   - [Runner] runs the jobs of a [Pipeline] with bash, masking what GitLab
//     masks.
//   - [Forge] signs tokens that GitLab would never sign, for tests of refusal.
//
// A keyword that would change what a job does and that this package does not
// model is refused by name, with file and line, before anything runs;
// docs/lab.md lists both kinds.
//
// What it does not do: it does not isolate job scripts, which run as the user
// who started them; it serves no Git repositories, no container images
// and no job tokens; it stores nothing but its two signing keys. It is
// linked into the lab and into tests, never into mayfly or mayflyd.
package labgitlab
