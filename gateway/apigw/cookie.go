package apigw

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-io/nonstick/gateway"
)

// sessionCookie writes the cookie that begins a session on polling, as the reference does: its attributes in that
// order. What the application says has been checked where it says it.
func sessionCookie(c *gateway.Cookie, sid string) string {
	var b strings.Builder
	attribute := func(name, value string) {
		if value != "" {
			b.WriteString("; " + name + "=" + value)
		}
	}
	flag := func(name string, on bool) {
		if on {
			b.WriteString("; " + name)
		}
	}
	b.WriteString(c.Name + "=" + sid)
	if c.MaxAge != 0 {
		attribute("Max-Age", strconv.Itoa(max(int(c.MaxAge/time.Second), 0)))
	}
	attribute("Domain", c.Domain)
	attribute("Path", c.Path)
	if !c.Expires.IsZero() {
		attribute("Expires", c.Expires.UTC().Format(http.TimeFormat))
	}
	flag("HttpOnly", !c.ForScripts)
	flag("Secure", c.Secure)
	flag("Partitioned", c.Partitioned)
	if c.Priority != "" {
		attribute("Priority", strings.ToUpper(c.Priority[:1])+c.Priority[1:])
	}
	attribute("SameSite", sameSites[c.SameSite])
	return b.String()
}

var sameSites = map[http.SameSite]string{
	http.SameSiteLaxMode: "Lax", http.SameSiteStrictMode: "Strict", http.SameSiteNoneMode: "None",
}

// sidOf finds the id of the session in the payload that begins it.
func sidOf(payload string) string {
	_, after, _ := strings.Cut(payload, `"sid":"`)
	sid, _, _ := strings.Cut(after, `"`)
	return sid
}
