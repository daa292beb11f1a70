package jwt

// VerifyText checks the signature of a token whose payload may be anything:
// outside vectors sign "foo" and poems. It shares every line with Parse and
// Verify but the reading of the payload.
func VerifyText(compact string, keys *KeySet, allowed []Algorithm) error {
	u, err := parseParts(compact)
	if err != nil {
		return err
	}
	_, err = u.Verify(keys, allowed)
	return err
}
