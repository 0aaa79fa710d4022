// Package direct is what Nonstick adds to the emulated API Gateway where the server runs in the same process: it pushes
// by calls, and it speaks WebSocket as a server does that is not behind API Gateway.
//
// It owns the pusher for the connections of an emulator in this process, groups of frames that such processes send
// each other (the management API has no such call), and how the emulator's binary frames are packets of Engine.IO.
package direct
