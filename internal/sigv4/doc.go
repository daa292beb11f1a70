// Package sigv4 is AWS Signature Version 4 for services other than S3: the
// canonical request, signing, presigning and verification (IAM User Guide,
// "AWS Signature Version 4 for API requests"). It works on a Request of its
// own, so that what is signed is what was received and nothing a library made
// of it.
//
// There are two beats. Parse and ParsePresigned check everything that needs no
// key and give a Signed value, which says whose key is wanted; Signed.Verify
// then checks the times and the signature. A Signed that was not verified says
// what a stranger wrote.
//
// The package does not find keys, does not open session tokens and does not
// remember what it saw: a request can be repeated while it is fresh. It knows
// no other algorithm (no SigV4A), no unsigned or streamed payload, and not S3's
// way with paths.
package sigv4
