// Private messaging for socket.io on Node: users by their sessions, on as many devices as they like.

import { createServer } from "node:http";
import { Server } from "socket.io";

// A real application has these in its database.
const sessions = new Map([
  ["session of Ann", "ann"],
  ["session of Bob", "bob"],
  ["session of Cat", "cat"],
]);

const httpServer = createServer();
const io = new Server(httpServer);

async function isOnline(user) {
  const devices = await io.in(user).fetchSockets();
  return devices.length > 0;
}

io.use((socket, next) => {
  const user = sessions.get(socket.handshake.auth.session);
  if (!user) {
    return next(new Error("log in first"));
  }
  socket.data.user = user;
  next();
});

io.on("connection", (socket) => {
  const { user } = socket.data;
  socket.join(user);
  socket.emit("welcome", user);
  socket.broadcast.emit("online", user);

  socket.on("users", async (callback) => {
    if (typeof callback !== "function") {
      return;
    }
    const users = {};
    for (const user of sessions.values()) {
      users[user] = await isOnline(user);
    }
    callback(users);
  });

  socket.on("message", async (to, text, callback) => {
    if (typeof callback !== "function") {
      return;
    }
    socket.to([to, user]).emit("message", user, to, text);
    callback(await isOnline(to));
  });

  socket.on("disconnect", async () => {
    if (!(await isOnline(user))) {
      io.emit("offline", user);
    }
  });
});

httpServer.listen(process.env.PORT ?? 3000, "127.0.0.1");
