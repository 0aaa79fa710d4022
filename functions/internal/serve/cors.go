package serve

import (
	"regexp"
	"strings"

	"github.com/nonstick-io/nonstick/functions/internal/boot"
	"github.com/nonstick-io/nonstick/gateway/apigw"
)

// origin is what a browser sends in Origin: scheme, host in lower case, and a port if it is not the scheme's own.
// Anything else would never be equal to one.
var origin = regexp.MustCompile(`^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?$`)

// maxOrigins bounds the list, in bytes: all variables of a function have 4 KB together.
const maxOrigins = 1024

// cors reads which pages may use polling.
func cors(env *boot.Env) apigw.CORS {
	const name = "NONSTICK_CORS_ORIGIN"
	c := apigw.CORS{Credentials: env.Choice("NONSTICK_CORS_CREDENTIALS", "false", "true", "false") == "true"}
	list := env.Given(name, "off")
	switch {
	case list == "off":
		return c
	case len(list) > maxOrigins:
		env.Fail(name, "want at most %d bytes", maxOrigins)
	}
	for i, o := range strings.Split(list, ",") {
		if i > 0 {
			o = strings.TrimPrefix(o, " ")
		}
		c.Origins = append(c.Origins, o)
	}
	for _, o := range c.Origins {
		switch {
		case o == "*" && len(c.Origins) > 1:
			env.Fail(name, "* stands alone")
		case o == "*" && c.Credentials:
			env.Fail(name, "with NONSTICK_CORS_CREDENTIALS browsers want the origins named, not *")
		case o != "*" && !origin.MatchString(o):
			env.Fail(
				name,
				"want off, * or origins as https://example.com, in lower case and without a path, with commas between them",
			)
		}
	}
	return c
}
