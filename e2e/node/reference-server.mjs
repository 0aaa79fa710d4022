// The reference: socket.io of npm with the application that localdev calls "protocol".

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { Server } from 'socket.io';

// The engine.io that socket.io uses, whatever else is installed.
const { attach } = createRequire(createRequire(import.meta.url).resolve('socket.io'))('engine.io');

const times = { pingInterval: 25_000, pingTimeout: 20_000 };

/** Starts the server, with options of Engine.IO, on a free port; resolves with its URL and a function that ends it. */
export async function startReference(options = {}) {
  const server = createServer((req, res) => {
    res.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' });
    res.end('404 page not found\n'); // what is not Socket.IO's is not compared
  });
  const engine = attach(server, { path: '/engine.io/', ...times, ...options, destroyUpgrade: false });
  engine.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  const io = new Server(server, { ...times, ...options, serveClient: false, destroyUpgrade: false });
  const greet = (socket) => socket.emit('auth', socket.handshake.auth);
  io.on('connection', (socket) => {
    greet(socket);
    socket.on('message', (...args) => socket.emit('message-back', ...args));
    socket.on('message-with-ack', (...args) => args.pop()(...args));
    socket.on('ask', (...args) => socket.emit('question', ...args, (...answer) => socket.emit('answered', ...answer)));
    socket.on('bye', (client) => socket.disconnect(client));
  });
  io.of('/custom').on('connection', greet);
  // Those that wait for a last GET to tell of the end would hold Node for 30 s.
  const transports = [];
  for (const e of [engine, io.engine]) e.on('connection', (socket) => transports.push(socket.transport));
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop() {
      engine.close();
      io.close();
      server.closeAllConnections();
      for (const { shouldClose } of transports) shouldClose?.();
    },
  };
}
