package template

import "strings"

// partition is a division of AWS: what its ARNs begin with, and its domain.
type partition struct{ name, suffix string }

// partitionOf returns the partition of a Region.
func partitionOf(region string) partition {
	for _, p := range []struct {
		prefix string
		partition
	}{
		{"cn-", partition{"aws-cn", "amazonaws.com.cn"}},
		{"us-gov-", partition{"aws-us-gov", "amazonaws.com"}},
		{"us-isob-", partition{"aws-iso-b", "sc2s.sgov.gov"}},
		{"us-iso-", partition{"aws-iso", "c2s.ic.gov"}},
	} {
		if strings.HasPrefix(region, p.prefix) {
			return p.partition
		}
	}
	return partition{"aws", "amazonaws.com"}
}

// arn is that of a resource of the stack.
func (d *document) arn(service, what string) string {
	return "arn:" + partitionOf(
		d.options.Region,
	).name + ":" + service + ":" + d.options.Region + ":" + d.options.Account + ":" + what
}

// iamARN is that of a resource of IAM, which is in no Region.
func (d *document) iamARN(what string) string {
	return "arn:" + partitionOf(d.options.Region).name + ":iam::" + d.options.Account + ":" + what
}

func (d *document) roleARN(name string) string { return d.iamARN("role/" + name) }

// sessionARN is that of a role at work, as messages name it.
func (d *document) sessionARN(role, session string) string {
	return "arn:" + partitionOf(d.options.Region).name + ":sts::" + d.options.Account + ":assumed-role/" + role + "/" +
		session
}

// apiHost is the host of an API on AWS, as templates put it together.
func (d *document) apiHost(id string) string {
	return id + ".execute-api." + d.options.Region + "." + partitionOf(d.options.Region).suffix
}
