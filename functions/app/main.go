// Command app is what template.yaml deploys as each of its functions: the chat.
package main

import (
	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/functions"
	"github.com/nonstick-io/nonstick/gateway"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
)

func main() { functions.Main(apps()...) }

// apps are those that the program carries. The template's parameter App names the same.
func apps() []gateway.App {
	return append([]gateway.App{nonstick.App("chat", chat.Register)}, testApps()...)
}
