package apigw

import (
	"github.com/nonstick-io/nonstick/gateway"
)

// Instance is an instance of an application, and the handler that brings it the events of API Gateway.
type Instance struct {
	gateway.Instance
	*Handler
}

// Start makes an instance of an application behind API Gateway. It is where the two meet: what front says of Gateway,
// HTTP, MaxPayload, AllowEIO3 and Logger is replaced by what the instance has, and is configured with.
func Start(app gateway.App, c gateway.Config, front Config) Instance {
	i := app.New(c)
	front.Gateway, front.HTTP, front.MaxPayload, front.Logger = i.Engine, i.HTTPOptions, i.Engine.MaxPayload(), c.Logger
	front.AllowEIO3 = i.Engine.AllowsEIO3()
	if i.HTTPOptions.CORS != nil && front.CORS.On() && c.Logger != nil {
		c.Logger.Warn("origins of the configuration have no effect: the application says which it allows")
	}
	return Instance{i, New(front)}
}
