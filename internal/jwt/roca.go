package jwt

import "math/big"

// isROCA reports whether a modulus was made by the Infineon library whose keys
// can be factored (CVE-2017-15361). Its primes are powers of 65537 modulo the
// product of the first primes, so the modulus is a power of 65537 modulo each
// of them. One other modulus in about a hundred million looks the same.
func isROCA(n *big.Int) bool {
	for _, p := range rocaPrimes {
		rest := new(big.Int).Mod(n, big.NewInt(p)).Int64()
		if !isPowerOf65537(rest, p) {
			return false
		}
	}
	return true
}

var rocaPrimes = []int64{
	3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
	113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
}

func isPowerOf65537(x, p int64) bool {
	power := int64(1)
	for range p {
		if power == x {
			return true
		}
		power = power * 65537 % p
	}
	return false
}
