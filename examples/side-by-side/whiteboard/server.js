// A whiteboard for socket.io on Node: strokes, images, and the picture for a client that comes later.

import { createServer } from "node:http";
import { Server } from "socket.io";

const httpServer = createServer();
const io = new Server(httpServer);

io.on("connection", (socket) => {
  socket.on("picture", async (callback) => {
    if (typeof callback !== "function") {
      return;
    }
    const [peer] = await socket.broadcast.fetchSockets();
    if (!peer) {
      return callback(null);
    }
    try {
      callback(await peer.timeout(5000).emitWithAck("picture"));
    } catch {
      callback({ message: "the picture did not come" });
    }
  });

  socket.on("stroke", (stroke) => {
    socket.broadcast.emit("stroke", socket.id, stroke);
  });

  socket.on("image", (x, y, image) => {
    socket.broadcast.emit("image", socket.id, x, y, image);
  });

  socket.on("cursor", (x, y) => {
    socket.volatile.broadcast.emit("cursor", socket.id, x, y);
  });

  socket.on("clear", () => {
    io.emit("clear", socket.id);
  });

  socket.on("disconnect", () => {
    io.emit("gone", socket.id);
  });
});

httpServer.listen(process.env.PORT ?? 3000, "127.0.0.1");
