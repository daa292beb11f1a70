// Package onboard says what a new project needs so that its jobs can deploy to a
// namespace with no stored secret: for each environment a role that one protected
// branch of that very project gets, a policy to find the cluster, an access entry
// with an access policy in the namespace; and the texts of it, as JSON, as
// Terraform, and as the project's pipeline.
//
// It makes nothing: it says what is to be made, and what prove makes of it. The
// command line makes it.
package onboard
