package shop

// The services, by the names that metrics, catalog and deployer use.
const (
	checkoutName   = "checkout"
	paymentsName   = "payments"
	catalogName    = "catalog"
	newsletterName = "newsletter"
)

// services in the order in which they start: who is depended on comes first.
var services = []string{catalogName, paymentsName, newsletterName, checkoutName}

// release is one version of a service. What it does differently is in the
// service's own code; here is what people are told about it.
type release struct {
	Service, Version string
	Notes            string // the release notes: what its authors believe
	Truth            string // what is really in it, shown on the deployer's page only; "" when nothing is wrong
}

// releases are all that can be deployed, per service the good one first.
var releases = []release{
	{checkoutName, "1.4.0", "stable", ""},
	{checkoutName, "1.4.1", "bulk rebates for larger carts", "fails every cart of three lines or more: it reads past the end of the rebate table"},
	{checkoutName, "1.4.2", "keeps receipts at hand for reprints", "never lets go of a receipt: memory grows to about 300 MB, where it is held"},
	{paymentsName, "2.3.0", "stable", ""},
	{paymentsName, "2.3.1", "faster look-up of the card's issuer", "cannot find the issuer of some cards; answers 200 with an error inside, so that its own objective stays green"},
	{catalogName, "3.0.0", "stable", ""},
	{catalogName, "3.0.0-hotfix", "corrects a product's name", ""},
	{catalogName, "3.0.1", "shows related products with each price", "asks its database once per related product, over too few connections: slow for everybody"},
	{newsletterName, "0.9.0", "stable", ""},
}

func findRelease(service, version string) (release, bool) {
	for _, r := range releases {
		if r.Service == service && r.Version == version {
			return r, true
		}
	}
	return release{}, false
}

// goodVersion is what a service runs when nothing is wrong, "" for no such service.
func goodVersion(service string) string {
	for _, r := range releases {
		if r.Service == service {
			return r.Version
		}
	}
	return ""
}

func versionsOf(service string) []string {
	var out []string
	for _, r := range releases {
		if r.Service == service {
			out = append(out, r.Version)
		}
	}
	return out
}
