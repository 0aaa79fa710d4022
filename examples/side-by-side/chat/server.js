// A chat for socket.io on Node: names, rooms, and who is typing.

import { createServer } from "node:http";
import { Server } from "socket.io";

const httpServer = createServer();
const io = new Server(httpServer);

io.use((socket, next) => {
  const { name } = socket.handshake.auth;
  if (!name) {
    return next(new Error("say your name"));
  }
  socket.data.name = name;
  next();
});

io.on("connection", (socket) => {
  socket.on("join", async (room, callback) => {
    if (typeof callback !== "function") {
      return;
    }
    socket.join(room);
    socket.to(room).emit("joined", room, socket.id, socket.data.name);
    const people = await io.in(room).fetchSockets();
    callback(Object.fromEntries(people.map(({ id, data }) => [id, data.name])));
  });

  socket.on("leave", (room) => {
    socket.leave(room);
    socket.to(room).emit("left", room, socket.id);
  });

  socket.on("say", (room, text, callback) => {
    if (typeof callback !== "function") {
      return;
    }
    if (!socket.rooms.has(room)) {
      return callback({ message: "you are not in this room" });
    }
    socket.to(room).emit("said", room, socket.id, text);
    callback();
  });

  socket.on("typing", (room, typing) => {
    socket.to(room).emit("typing", room, socket.id, typing);
  });

  socket.on("disconnecting", () => {
    for (const room of socket.rooms) {
      socket.to(room).emit("left", room, socket.id);
    }
  });
});

httpServer.listen(process.env.PORT ?? 3000, "127.0.0.1");
