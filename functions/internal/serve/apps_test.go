package serve_test

import (
	"github.com/nonstick-io/nonstick"
	"github.com/nonstick-io/nonstick/functions/internal/serve"
	"github.com/nonstick-io/nonstick/internal/apps/chat"
)

func init() { serve.UseApps(nonstick.App("chat", chat.Register)) }
