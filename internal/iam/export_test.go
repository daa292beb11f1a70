package iam

// SharedIssuers is how many issuers are known to be shared.
func SharedIssuers() int { return len(sharedIssuers) }
