package cli

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	accountv1 "github.com/tollgate/tollgate/gen/tollgate/account/v1"
)

// keysCommands manage virtual keys.
type keysCommands struct {
	Create keysCreate `cmd:"" help:"Create a key and print its secret, once."`
	List   keysList   `cmd:"" help:"List keys."`
	Revoke keysRevoke `cmd:"" help:"Revoke a key for good."`
}

type keysCreate struct {
	connection
	Name              string        `help:"Name for people." required:""`
	Role              []string      `help:"What the key may do: viewer, developer, admin, operator." default:"developer" enum:"viewer,developer,admin,operator"`
	Team              string        `help:"Team that it belongs to."`
	User              string        `help:"User that it belongs to."`
	Models            []string      `help:"Globs of the models that it may use; all if absent." name:"model"`
	Collections       []string      `help:"Collections that it may search; all if absent." name:"collection"`
	Residency         string        `help:"Jurisdiction that its requests must not leave, for example eu." placeholder:"NAME"`
	Compliance        string        `help:"Class that every target of its requests must have, for example regulated." placeholder:"NAME"`
	RequestsPerMinute int64         `help:"Most requests a minute; 0 for no limit."`
	TokensPerMinute   int64         `help:"Most tokens a minute; 0 for no limit."`
	ExpiresIn         time.Duration `help:"How long it lives, for example 720h; 0 for ever."`
	AWS               bool          `help:"Print what AWS SDKs sign with too, as environment variables." name:"aws"`
}

// Run creates the key.
func (c *keysCreate) Run(env *environment) error {
	key := &accountv1.Key{
		DisplayName:       c.Name,
		Team:              resourceName("teams", c.Team),
		User:              resourceName("users", c.User),
		AllowedModels:     c.Models,
		Residency:         c.Residency,
		Compliance:        c.Compliance,
		RequestsPerMinute: c.RequestsPerMinute,
		TokensPerMinute:   c.TokensPerMinute,
	}
	for _, role := range c.Role {
		key.Roles = append(key.Roles, accountv1.Role(accountv1.Role_value["ROLE_"+strings.ToUpper(role)]))
	}
	for _, name := range c.Collections {
		key.AllowedCollections = append(key.AllowedCollections, collectionName(name))
	}
	if c.ExpiresIn > 0 {
		key.ExpireTime = timestamppb.New(time.Now().Add(c.ExpiresIn))
	}
	var created accountv1.CreateKeyResponse
	if err := c.call(env.ctx, http.MethodPost, "/api/v1/keys", &accountv1.CreateKeyRequest{Key: key}, &created); err != nil {
		return err
	}
	fmt.Fprintf(env.stderr, "%s: keep the secret, it is shown this once\n", created.GetKey().GetName())
	fmt.Fprintln(env.stdout, created.GetSecret())
	if c.AWS {
		fmt.Fprintf(env.stdout, "AWS_ACCESS_KEY_ID=%s\nAWS_SECRET_ACCESS_KEY=%s\n", created.GetAwsAccessKeyId(), created.GetAwsSecretAccessKey())
	}
	return nil
}

type keysList struct {
	connection
	All bool `help:"List revoked and expired keys too."`
}

// Run lists the keys.
func (c *keysList) Run(env *environment) error {
	table := tabwriter.NewWriter(env.stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tPREFIX\tNAME\tROLES\tTEAM\tUSER\tDEMANDS\tCREATED\tSTATE")
	query := url.Values{"pageSize": {"1000"}}
	if c.All {
		query.Set("showEnded", "true")
	}
	for {
		var page accountv1.ListKeysResponse
		if err := c.call(env.ctx, http.MethodGet, "/api/v1/keys?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		for _, k := range page.GetKeys() {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.GetName(), k.GetPrefix(), k.GetDisplayName(),
				roleNames(k.GetRoles()), k.GetTeam(), k.GetUser(), keyDemands(k), k.GetCreateTime().AsTime().Format(time.DateOnly), keyState(k))
		}
		if page.GetNextPageToken() == "" {
			return table.Flush()
		}
		query.Set("pageToken", page.GetNextPageToken())
	}
}

type keysRevoke struct {
	connection
	Key string `arg:"" help:"Resource name of the key, as keys list shows it."`
}

// Run revokes the key.
func (c *keysRevoke) Run(env *environment) error {
	name := resourceName("keys", c.Key)
	var revoked accountv1.RevokeKeyResponse
	err := c.call(env.ctx, http.MethodPost, "/api/v1/"+name+":revoke", &accountv1.RevokeKeyRequest{Name: name}, &revoked)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s is revoked\n", name)
	return nil
}

func roleNames(roles []accountv1.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = strings.ToLower(strings.TrimPrefix(r.String(), "ROLE_"))
	}
	return strings.Join(names, ",")
}

// keyDemands is what the key demands of targets.
func keyDemands(k *accountv1.Key) string {
	return strings.Join(slices.DeleteFunc([]string{k.GetResidency(), k.GetCompliance()}, func(s string) bool { return s == "" }), ",")
}

func keyState(k *accountv1.Key) string {
	switch {
	case k.GetRevokeTime() != nil:
		return "revoked"
	case k.GetExpireTime() != nil && k.GetExpireTime().AsTime().Before(time.Now()):
		return "expired"
	default:
		return "live"
	}
}

// resourceName puts the collection's name before an id that lacks it.
func resourceName(kind, id string) string {
	if id == "" || strings.HasPrefix(id, kind+"/") {
		return id
	}
	return kind + "/" + id
}

func collectionName(id string) string { return resourceName("collections", id) }
