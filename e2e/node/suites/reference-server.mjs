// The reference: socket.io and engine.io of npm with the application that localdev calls "suites", on the port that
// PORT names. It shows that the tests of this folder ask for what the reference does. RECOVERY is what recovery does:
// "on" skips middleware, "checked" runs it; it is off otherwise.

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { Server } from 'socket.io';

// The engine.io that socket.io uses, whatever else is installed.
const { attach } = createRequire(createRequire(import.meta.url).resolve('socket.io'))('engine.io');

const options = { pingInterval: 2_000, maxHttpBufferSize: Number(process.env.MAX_PAYLOAD), destroyUpgrade: false };
const server = createServer((req, res) => res.writeHead(404).end());

const engine = attach(server, {
  ...options,
  path: '/engine.io/',
  allowRequest: (req, answer) => answer(null, !new URL(req.url, 'http://any').searchParams.has('deny')),
});
engine.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));

const recovery = { on: {}, checked: { skipMiddlewares: false } }[process.env.RECOVERY];
const io = new Server(server, { ...options, serveClient: false, connectionStateRecovery: recovery });
for (const name of ['/asd', '/valid', '/timeout_socket']) io.of(name);
io.of('/foo').on('connection', identify);
io.of('/abc').on('connection', (socket) => socket.emit('handshake', socket.handshake));
io.of('/no').use((socket, next) => next(new Error('Auth failed (custom namespace)')));
recoverable(io.of('/recovery'));
io.on('connection', (socket) => {
  identify(socket);
  events(socket);
  binary(socket);
});

function identify(socket) {
  socket.on('getId', (answer) => answer(socket.id));
}

function events(socket) {
  socket.on('hi', () => socket.emit('hi'));
  socket.on('false', () => socket.emit('false', false));
  socket.on('echo', (value, answer) => answer?.(value));
  socket.on('getHandshake', (answer) => answer(socket.handshake));
  socket.on('getAckDate', (_, answer) => answer(new Date()));
  socket.on('getDate', () => socket.emit('takeDate', new Date()));
  socket.on('getDateObj', () => socket.emit('takeDateObj', { date: new Date() }));
  socket.on('getUtf8', () => {
    for (const text of ['plain', 'Grüße, Ærø', 'ἀγορά и борщ', '漢字かな交じり', 'e\u0301 \u2014 \u{1F9ED}']) socket.emit('takeUtf8', text);
  });
  socket.on('ack', () => socket.emit('ack', (number, { test }) => number === 5 && test && socket.emit('got it')));
}

function binary(socket) {
  const given = Buffer.from('asdfasdf');
  socket.on('doge', () => socket.emit('doge', given));
  socket.on('getbin', () => socket.emit('takebin', given));
  socket.on('buffa', (data) => Buffer.isBuffer(data) && socket.emit('buffack'));
  socket.on('jsonbuff', ({ hello, message, goodbye }) => {
    if (hello === 'lol' && goodbye === 'gotcha' && Buffer.isBuffer(message)) socket.emit('jsonbuff-ack');
  });
  socket.on('abuff1', (data) => { socket.data.came = Buffer.isBuffer(data); });
  socket.on('abuff2', () => socket.data.came && socket.emit('abuff2-ack'));
}

function recoverable(namespace) {
  namespace.use((socket, next) => {
    socket.data.checked = (socket.data.checked ?? 0) + 1;
    next();
  });
  namespace.on('connection', (socket) => {
    if (!socket.recovered) {
      const { rooms = [], foo = null } = socket.handshake.auth;
      socket.join(rooms);
      socket.data.foo = foo;
    }
    socket.on('state', (answer) => {
      const { id, recovered, data: { checked, foo } } = socket;
      answer({ id, recovered, rooms: [...socket.rooms].filter((room) => room !== id).sort(), checked, foo });
    });
    socket.on('cast', ({ room, volatile }, event, answer) => {
      const to = room === null ? namespace : namespace.to(room);
      (volatile ? to.volatile : to).emit(...event);
      answer(true);
    });
    socket.on('back', (...event) => socket.emit(...event));
    socket.on('lost', (id, answer) => answer(!namespace.sockets.has(id)));
  });
}

server.listen(Number(process.env.PORT), '127.0.0.1');
process.once('SIGTERM', () => {
  engine.close();
  io.close();
  server.closeAllConnections();
});
