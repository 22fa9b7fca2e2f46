package jurisdiction

// regions lists the regions of AWS, Google Cloud and Azure by the jurisdiction
// that their data centres stand in, as the providers' own lists of regions give
// it. "uk" is the United Kingdom; "eu" is a member of the Union, whichever;
// others are ISO 3166-1. The multi-regions "eu" and "us" of Vertex AI, and of
// providers that sell residency by such a name, stand for themselves.
// https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html
// https://cloud.google.com/about/locations
// https://learn.microsoft.com/azure/reliability/regions-list
var regions = map[string]string{
	"ae": "me-central-1 uaenorth uaecentral",
	"au": "ap-southeast-2 ap-southeast-4 australia-southeast1 australia-southeast2 australiaeast australiasoutheast australiacentral australiacentral2",
	"bh": "me-south-1",
	"br": "sa-east-1 southamerica-east1 brazilsouth brazilsoutheast",
	"ca": "ca-central-1 ca-west-1 northamerica-northeast1 northamerica-northeast2 canadacentral canadaeast",
	"ch": "eu-central-2 europe-west6 switzerlandnorth switzerlandwest",
	"cl": "southamerica-west1 chilecentral",
	"cn": "cn-north-1 cn-northwest-1 chinanorth chinanorth2 chinanorth3 chinaeast chinaeast2 chinaeast3",
	"eu": "eu eu-central-1 eu-north-1 eu-south-1 eu-south-2 eu-west-1 eu-west-3 eusc-de-east-1 " +
		"europe-central2 europe-north1 europe-north2 europe-southwest1 europe-west1 europe-west3 europe-west4 " +
		"europe-west8 europe-west9 europe-west10 europe-west12 " +
		"austriaeast belgiumcentral denmarkeast francecentral francesouth germanynorth germanywestcentral italynorth " +
		"northeurope polandcentral spaincentral swedencentral swedensouth westeurope",
	"hk": "ap-east-1 asia-east2 eastasia",
	"id": "ap-southeast-3 asia-southeast2 indonesiacentral",
	"il": "il-central-1 me-west1 israelcentral",
	"in": "ap-south-1 ap-south-2 asia-south1 asia-south2 centralindia southindia westindia jioindiawest jioindiacentral",
	"jp": "ap-northeast-1 ap-northeast-3 asia-northeast1 asia-northeast2 japaneast japanwest",
	"kr": "ap-northeast-2 asia-northeast3 koreacentral koreasouth",
	"mx": "mx-central-1 northamerica-south1 mexicocentral",
	"my": "ap-southeast-5 malaysiawest",
	"no": "norwayeast norwaywest",
	"nz": "ap-southeast-6 newzealandnorth",
	"qa": "me-central1 qatarcentral",
	"sa": "me-central2",
	"sg": "ap-southeast-1 asia-southeast1 southeastasia",
	"th": "ap-southeast-7",
	"tw": "ap-east-2 asia-east1",
	"uk": "eu-west-2 europe-west2 uksouth ukwest",
	"us": "us us-east-1 us-east-2 us-gov-east-1 us-gov-west-1 us-west-1 us-west-2 " +
		"us-central1 us-east1 us-east4 us-east5 us-south1 us-west1 us-west2 us-west3 us-west4 " +
		"centralus eastus eastus2 northcentralus southcentralus westcentralus westus westus2 westus3 " +
		"usgovarizona usgovtexas usgovvirginia",
	"za": "af-south-1 africa-south1 southafricanorth southafricawest",
}
