// The application that localdev calls "bench", for socket.io on Node, on the port that PORT names. RECOVERY=on recovers
// sockets for two minutes, as the reference does by itself.

import { createServer } from 'node:http';
import { Server } from 'socket.io';

const server = createServer((req, res) => res.writeHead(404).end());
const io = new Server(server, {
  serveClient: false, connectionStateRecovery: process.env.RECOVERY === 'on' ? {} : undefined,
});

io.on('connection', (socket) => {
  socket.on('echo', (...args) => args.pop()(...args));
  socket.on('join', (room, answer) => {
    socket.join(room);
    answer('ok');
  });
  socket.on('leave', (room, answer) => {
    socket.leave(room);
    answer('ok');
  });
  socket.on('broadcast', (payload, answer) => {
    (payload.room ? io.to(payload.room) : io).emit('broadcast', payload);
    answer(true);
  });
});

server.listen(Number(process.env.PORT), '127.0.0.1');
process.once('SIGTERM', () => {
  io.close();
  server.closeAllConnections();
});
