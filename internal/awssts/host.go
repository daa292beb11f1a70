package awssts

import (
	"fmt"
	"slices"
	"strings"

	"mayfly.internal/internal/eks"
)

// partition is what AWS's endpoint rules say of STS in one partition (AWS
// General Reference, "STS endpoints").
type partition struct {
	domain    string
	dualStack string // empty: there are no such hosts
	global    string // the host that has no region; empty: there is none
	regions   string
}

// partitions :: name → its hosts and regions. A region that is missing is
// allowed by naming it (aws_sts.regions).
var partitions = map[string]partition{
	"aws": {domain: "amazonaws.com", dualStack: "api.aws", global: "sts.amazonaws.com", regions: `
		us-east-1 us-east-2 us-west-1 us-west-2 ca-central-1 ca-west-1 mx-central-1 sa-east-1
		eu-central-1 eu-central-2 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-2 eu-west-3
		af-south-1 il-central-1 me-central-1 me-south-1 ap-east-1 ap-east-2 ap-south-1 ap-south-2
		ap-northeast-1 ap-northeast-2 ap-northeast-3
		ap-southeast-1 ap-southeast-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-6 ap-southeast-7`},
	"aws-cn":     {domain: "amazonaws.com.cn", dualStack: "api.amazonwebservices.com.cn", regions: "cn-north-1 cn-northwest-1"},
	"aws-us-gov": {domain: "amazonaws.com", dualStack: "api.aws", regions: "us-gov-east-1 us-gov-west-1"},
	"aws-iso":    {domain: "c2s.ic.gov", regions: "us-iso-east-1 us-iso-west-1"},
	"aws-iso-b":  {domain: "sc2s.sgov.gov", regions: "us-isob-east-1 us-isob-west-1"},
	"aws-iso-e":  {domain: "cloud.adc-e.uk", regions: "eu-isoe-west-1"},
	"aws-iso-f":  {domain: "csp.hci.ic.gov", regions: "us-isof-east-1 us-isof-south-1"},
	"aws-eusc":   {domain: "amazonaws.eu", regions: "eusc-de-east-1"},
}

// Partitions are the names of the partitions there are.
func Partitions() []string {
	var out []string
	for name := range partitions {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Regions are the regions of a partition that this version knows.
func Regions(name string) []string { return strings.Fields(partitions[name].regions) }

// hostsOf are all hosts of STS in some regions of a partition, with their
// region.
func hostsOf(name string, regions []string) (map[string]string, error) {
	p, ok := partitions[name]
	if !ok {
		return nil, fmt.Errorf("%q is no partition of AWS: %s are", name, strings.Join(Partitions(), ", "))
	}
	hosts := map[string]string{}
	for _, r := range regions {
		if !eks.IsRegion(r) {
			return nil, fmt.Errorf("%q is no region's name, such as eu-central-1", r)
		}
		hosts["sts."+r+"."+p.domain] = r
		hosts["sts-fips."+r+"."+p.domain] = r
		if p.dualStack != "" {
			hosts["sts."+r+"."+p.dualStack] = r
			hosts["sts-fips."+r+"."+p.dualStack] = r
		}
	}
	if p.global != "" {
		hosts[p.global] = Global
	}
	return hosts, nil
}
