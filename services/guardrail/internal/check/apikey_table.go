package check

// charset names the characters that a key may hold after its prefix.
type charset uint8

const (
	base62  charset = iota // letters and digits
	urlSafe                // and - _
	hexOnly
	upper32 // upper case and digits
	wide    // and - _ . = + / %
)

// keyForm is the published form of one issuer's keys: a prefix, then between
// min and max characters of a set.
type keyForm struct {
	prefix   string
	min, max int
	set      charset
}

// keyForms lists forms by issuer. Sources: the issuers' own documentation of
// token formats. Longer prefixes stand before shorter ones that they contain.
var keyForms = []keyForm{
	{"tg_", 20, 128, urlSafe}, // ours
	{"sk-ant-", 30, 200, urlSafe}, {"sk-proj-", 20, 220, urlSafe}, {"sk-svcacct-", 20, 220, urlSafe},
	{"sk-admin-", 20, 220, urlSafe}, {"sk-or-v1-", 40, 80, hexOnly}, {"sk-lf-", 30, 60, urlSafe}, {"sk-", 20, 200, urlSafe},
	{"gsk_", 40, 60, base62}, {"pplx-", 40, 64, base62}, {"xai-", 60, 100, base62}, {"r8_", 30, 45, base62},
	{"hf_", 30, 40, base62}, {"api_org_", 30, 40, base62}, {"nvapi-", 50, 80, urlSafe}, {"fc-", 32, 32, hexOnly},
	{"ABSK", 100, 300, wide}, {"bedrock-api-key-", 20, 1000, wide},
	{"AKIA", 16, 16, upper32}, {"ASIA", 16, 16, upper32}, {"ABIA", 16, 16, upper32}, {"ACCA", 16, 16, upper32}, {"A3T", 17, 17, upper32},
	{"AIza", 35, 35, urlSafe}, {"ya29.", 30, 400, urlSafe}, {"GOCSPX-", 24, 40, urlSafe},
	{"ghp_", 36, 40, base62}, {"gho_", 36, 40, base62}, {"ghu_", 36, 40, base62}, {"ghs_", 36, 40, base62}, {"ghr_", 36, 80, base62},
	{"github_pat_", 40, 90, urlSafe},
	{"glpat-", 20, 60, wide}, {"gldt-", 20, 60, urlSafe}, {"glptt-", 40, 60, urlSafe}, {"glrt-", 20, 60, wide},
	{"glcbt-", 20, 80, urlSafe}, {"glft-", 20, 60, urlSafe}, {"glsoat-", 20, 60, urlSafe}, {"glagent-", 40, 80, urlSafe},
	{"gloas-", 40, 80, urlSafe}, {"glimt-", 20, 60, urlSafe}, {"glffct-", 20, 60, urlSafe}, {"GR1348941", 20, 40, urlSafe},
	{"_gitlab_session=", 32, 32, base62},
	{"xoxb-", 20, 120, urlSafe}, {"xoxp-", 20, 200, urlSafe}, {"xoxa-", 20, 120, urlSafe}, {"xoxr-", 20, 120, urlSafe},
	{"xoxs-", 20, 120, urlSafe}, {"xoxo-", 20, 120, urlSafe}, {"xoxe-", 20, 300, urlSafe}, {"xoxe.", 20, 300, wide}, {"xapp-", 20, 150, urlSafe},
	{"hooks.slack.com/services/", 20, 100, wide}, {"hooks.slack.com/workflows/", 20, 100, wide}, {"hooks.slack.com/triggers/", 20, 100, wide},
	{"sk_live_", 10, 120, base62}, {"sk_test_", 10, 120, base62}, {"rk_live_", 10, 120, base62}, {"rk_test_", 10, 120, base62},
	{"sk_prod_", 10, 120, base62}, {"rk_prod_", 10, 120, base62}, {"whsec_", 20, 80, wide},
	{"SG.", 50, 80, wide}, {"xkeysib-", 60, 90, urlSafe}, {"key-", 32, 32, hexOnly}, {"SK", 32, 32, hexOnly},
	{"npm_", 36, 36, base62}, {"pypi-AgEIcHlwaS5vcmc", 30, 1000, urlSafe}, {"rubygems_", 48, 48, hexOnly},
	{"CLOJARS_", 60, 60, base62}, {"oy2", 43, 43, base62}, {"dckr_pat_", 20, 40, urlSafe}, {"dp.pt.", 40, 44, base62},
	{"dop_v1_", 64, 64, hexOnly}, {"doo_v1_", 64, 64, hexOnly}, {"dor_v1_", 64, 64, hexOnly},
	{"shpat_", 32, 32, hexOnly}, {"shpca_", 32, 32, hexOnly}, {"shppa_", 32, 32, hexOnly}, {"shpss_", 32, 32, hexOnly},
	{"sq0atp-", 20, 60, urlSafe}, {"sq0csp-", 40, 60, urlSafe}, {"EAAA", 56, 70, urlSafe}, {"EAAC", 50, 300, base62}, {"EAAM", 50, 300, base62},
	{"hvs.", 80, 140, urlSafe}, {"hvb.", 100, 300, urlSafe},
	{"lin_api_", 40, 40, base62}, {"lin_oauth_", 32, 64, hexOnly}, {"secret_", 43, 43, base62}, {"ntn_", 40, 50, base62},
	{"figd_", 40, 60, urlSafe}, {"PMAK-", 59, 59, urlSafe}, {"ATATT3", 150, 250, wide}, {"ATCTT3", 150, 250, wide}, {"ATBB", 32, 36, base62},
	{"NRAK-", 27, 27, base62}, {"NRII-", 32, 32, urlSafe}, {"NRJS-", 19, 19, hexOnly}, {"NRRA-", 42, 42, hexOnly}, {"NRIQ-", 32, 32, base62}, {"NRSP-", 30, 40, base62},
	{"sntrys_", 60, 300, wide}, {"sntryu_", 64, 64, hexOnly}, {"glsa_", 32, 50, urlSafe}, {"glc_", 32, 400, wide}, {"eyJrIjoi", 60, 400, wide},
	{"dapi", 32, 34, hexOnly}, {"pscale_tkn_", 30, 66, wide}, {"pscale_pw_", 30, 66, wide}, {"pscale_oauth_", 30, 66, wide},
	{"pul-", 40, 40, hexOnly}, {"pnu_", 36, 36, base62}, {"rdme_", 70, 70, base62}, {"shippo_live_", 40, 40, hexOnly}, {"shippo_test_", 40, 40, hexOnly},
	{"tfp_", 40, 60, wide}, {"tk-us-", 48, 48, urlSafe}, {"sgp_", 40, 60, urlSafe}, {"slk_", 64, 64, hexOnly}, {"phc_", 40, 50, base62}, {"phx_", 40, 50, base62},
	{"ops_eyJ", 200, 1000, wide}, {"A3-", 35, 40, urlSafe}, {"AGE-SECRET-KEY-1", 58, 58, upper32}, {"s-s4t2ud-", 64, 64, hexOnly}, {"s-s4t2af-", 64, 64, hexOnly}, {"HRKU-", 60, 70, urlSafe}, {"AKCp", 69, 70, base62}, {"cmVmd", 59, 60, base62},
	{"LTAI", 20, 20, base62}, {"p8e-", 32, 32, hexOnly}, {"dnkey-", 60, 90, wide}, {"dt0c01.", 85, 95, wide}, {"duffel_test_", 40, 50, wide}, {"duffel_live_", 40, 50, wide},
	{"EZAK", 54, 54, base62}, {"EZTK", 54, 54, base62}, {"FLWSECK_TEST-", 12, 40, urlSafe}, {"FLWPUBK_TEST-", 32, 40, urlSafe}, {"FLWSECK-", 32, 40, urlSafe},
	{"fio-u-", 64, 64, wide}, {"fo1_", 40, 50, urlSafe}, {"fm1r_", 90, 1000, wide}, {"fm1a_", 90, 1000, wide}, {"fm2_", 90, 1000, wide},
	{"ico-", 32, 32, base62}, {"live_", 40, 40, wide}, {"test_", 40, 40, wide}, {"sm_aat_", 16, 16, base62}, {"sm_pat_", 16, 16, base62}, {"sm_sat_", 16, 16, base62},
	{"sha256~", 43, 43, urlSafe}, {"API-", 26, 26, upper32}, {"4b1d", 38, 38, base62}, {"v1.0-", 160, 180, urlSafe}, {"pat.", 60, 70, wide},
	{"access-sandbox-", 36, 36, urlSafe}, {"access-development-", 36, 36, urlSafe}, {"access-production-", 36, 36, urlSafe},
	{"t1.", 40, 300, wide}, {"AQVN", 35, 40, urlSafe}, {"YC", 38, 38, urlSafe}, {"CCIPAT_", 60, 70, urlSafe}, {"sbp_", 40, 40, hexOnly}, {"odt_", 60, 60, base62},
}

// assignWords make a name one that holds a secret: api_key = "…".
var assignWords = []string{
	"token", "secret", "apikey", "api_key", "api-key", "api key", "accesskey", "access_key", "access-key", "access key", "password", "passwd",
	"pwd", "passphrase", "credential", "private_key", "privatekey", "client_id", "clientid", "authorization", "bearer",
	"_key", "-key", "auth_key", "authkey", "license_key", "licensekey", "subscription_key", "encryption_key", "signing_key", "x-api-key", "accountkey", "contribsys",
	"passwort", "kennwort", "mot de passe", "contrasena", "senha",
}
