// The code of docs/migrate.md for socket.io on Node: what the page says of it is so. Its code for Nonstick is in
// migrate_test.go, with tests of the same.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { Server as ReferenceServer } from 'socket.io';
import { io as Client } from 'socket.io-client';

/** A server of the reference at a free port, whatever is asked for. */
class Server extends ReferenceServer {
  constructor(_port, options) {
    super(0, { serveClient: false, ...options });
    after(() => this.close());
  }
}

const urlOf = (io) => `http://127.0.0.1:${io.httpServer.address().port}`;

/** Connects a client. */
async function connect(io, namespace = '/', options = {}) {
  const socket = Client(urlOf(io) + namespace, { forceNew: true, transports: ['websocket'], ...options });
  after(() => socket.disconnect());
  await once(socket, 'connect');
  return socket;
}

/** Waits for the next event of that name, and returns its arguments. */
const once = (socket, name) => new Promise((resolve) => socket.once(name, (...args) => resolve(args)));

/** A server whose sockets have the handlers that register sets, and answer "sync" when they have done the rest. */
function serverOf(register) {
  const io = new Server(0);
  io.on('connection', (socket) => {
    register(socket, io);
    socket.on('sync', (callback) => callback());
  });
  return io;
}

function greeting() {
  const io = new Server(3000);

  io.on("connection", (socket) => {
    socket.emit("welcome", socket.id);
    socket.on("say", (text) => {
      io.emit("said", text);
    });
  });
  return io;
}

test('server and connection', async () => {
  const io = greeting();
  const ann = Client(urlOf(io), { transports: ['websocket'] });
  after(() => ann.disconnect());
  assert.deepEqual(await once(ann, 'welcome'), [ann.id]);
  const bob = await connect(io);
  const said = [once(ann, 'said'), once(bob, 'said')];
  ann.emit('say', 'hello');
  assert.deepEqual(await Promise.all(said), [['hello'], ['hello']]);
});

async function userOf(token) {
  if (!token?.startsWith('token of ')) throw new Error('no such token');
  return token.slice('token of '.length);
}

function auth(io) {
  io.use(async (socket, next) => {
    try {
      socket.data.user = await userOf(socket.handshake.auth.token);
      next();
    } catch {
      next(new Error("unauthorized"));
    }
  });
}

test('auth', async () => {
  const io = serverOf((socket) => socket.on('user', (callback) => callback(socket.data.user)));
  auth(io);
  const refused = Client(urlOf(io), { forceNew: true, transports: ['websocket'] });
  after(() => refused.disconnect());
  const [error] = await once(refused, 'connect_error');
  assert.equal(error.message, 'unauthorized');
  const ann = await connect(io, '/', { auth: { token: 'token of ann' } });
  assert.equal(await ann.emitWithAck('user'), 'ann');
});

function namespaces(io) {
  io.of("/admin").on("connection", (socket) => {
    socket.on("kick", (id) => {
      io.in(id).disconnectSockets(true);
    });
  });

  io.of(/^\/tenant-\d+$/).on("connection", (socket) => {
    socket.on("say", (text) => {
      socket.nsp.emit("said", text);
    });
  });
}

test('namespaces', async () => {
  const io = new Server(0);
  namespaces(io);
  const [ann, admin, tenant] = [await connect(io), await connect(io, '/admin'), await connect(io, '/tenant-1')];
  const said = once(tenant, 'said');
  tenant.emit('say', 'hello');
  assert.deepEqual(await said, ['hello']);
  const gone = once(ann, 'disconnect');
  admin.emit('kick', ann.id);
  assert.equal((await gone)[0], 'io server disconnect');
});

function rooms(socket) {
  socket.on("join", async (room) => {
    await socket.join(room);
    socket.to(room).emit("joined", socket.id);
  });
  socket.on("leave", (room) => socket.leave(room));
}

function broadcasts(socket, io) {
  socket.on('news', (text) => {
    io.emit("to all", text);
    socket.broadcast.emit("to the others", text);
    io.to("readers").except("muted").emit("to readers", text);
    io.in("readers").socketsJoin("archive");
  });
}

test('rooms and broadcasts', async () => {
  const io = serverOf((socket) => {
    rooms(socket);
    broadcasts(socket, io);
  });
  const [ann, bob, cat] = [await connect(io), await connect(io), await connect(io)];
  const joined = once(bob, 'joined');
  bob.emit('join', 'readers');
  bob.emit('join', 'muted');
  bob.emit('leave', 'muted');
  await bob.emitWithAck('sync'); // its joins are done
  cat.emit('join', 'readers');
  assert.deepEqual(await joined, [cat.id]);
  cat.emit('join', 'muted');
  await cat.emitWithAck('sync');
  const got = [];
  for (const [name, socket] of Object.entries({ ann, bob, cat })) socket.onAny((event) => got.push(`${name}: ${event}`));
  ann.emit('news', 'rain');
  for (const socket of [ann, bob, cat]) await socket.emitWithAck('sync'); // the answer comes behind the news
  assert.deepEqual(got.sort(), [
    'ann: to all', 'bob: to all', 'bob: to readers', 'bob: to the others', 'cat: to all', 'cat: to the others',
  ]);
  assert.equal((await io.in('archive').fetchSockets()).length, 2);
});

function acknowledgements(socket, io) {
  socket.on("add", (a, b, callback) => {
    callback(a + b);
  });

  socket.on("call", async (id, callback) => {
    const [answer] = await io.to(id).timeout(5000).emitWithAck("ring", socket.id);
    callback(answer);
  });

  socket.on("vote", (question, callback) => {
    socket.broadcast.timeout(5000).emit("vote", question, (err, votes) => {
      callback(votes.filter((yes) => yes).length);
    });
  });

  socket.on("seen", (film) => {
    socket.emit("rate", film, (stars) => {
      socket.emit("thanks", film, stars);
    });
  });
}

test('acknowledgements', async () => {
  const io = serverOf((socket) => acknowledgements(socket, io));
  const [ann, bob, cat] = [await connect(io), await connect(io), await connect(io)];
  bob.on('ring', (id, callback) => callback('hello?'));
  bob.on('vote', (question, callback) => callback(true));
  cat.on('vote', (question, callback) => callback(false));
  ann.on('rate', (film, callback) => callback(5));
  assert.equal(await ann.emitWithAck('add', 1, 2), 3);
  assert.equal(await ann.emitWithAck('call', bob.id), 'hello?');
  assert.equal(await ann.emitWithAck('vote', 'tea?'), 1);
  const thanks = once(ann, 'thanks');
  ann.emit('seen', 'Metropolis');
  assert.deepEqual(await thanks, ['Metropolis', 5]);
});

function data(socket) {
  socket.on("name", (name) => {
    socket.data.name = name;
  });
  socket.on("score", (points, callback) => {
    socket.data.score = (socket.data.score ?? 0) + points;
    callback(socket.data.score);
  });
}

function fetching(socket, io) {
  socket.on("who", async (room, callback) => {
    const sockets = await io.in(room).fetchSockets();
    callback(sockets.map((other) => other.data.name));
  });
}

function state(io) {
  const carts = new Map();

  io.on("connection", (socket) => {
    socket.on("add to cart", (item, callback) => {
      const cart = [...(carts.get(socket.id) ?? []), item];
      carts.set(socket.id, cart);
      callback(cart.length);
    });
    socket.on("disconnect", () => carts.delete(socket.id));
  });
}

test('data, fetchSockets and state', async () => {
  const io = serverOf((socket) => {
    rooms(socket);
    data(socket);
    fetching(socket, io);
  });
  state(io);
  const ann = await connect(io);
  ann.emit('name', 'Ann');
  assert.equal(await ann.emitWithAck('score', 3), 3);
  assert.equal(await ann.emitWithAck('score', 4), 7);
  assert.deepEqual(await ann.emitWithAck('who', 'lobby'), []);
  ann.emit('join', 'lobby');
  assert.deepEqual(await ann.emitWithAck('who', 'lobby'), ['Ann']);
  assert.equal(await ann.emitWithAck('add to cart', 'tea'), 1);
  assert.equal(await ann.emitWithAck('add to cart', 'milk'), 2);
});

function end(socket, io) {
  socket.on("disconnecting", (reason) => {
    socket.to([...socket.rooms]).emit("left", socket.id, reason);
  });
  socket.on("disconnect", async () => {
    io.emit("online", (await io.allSockets()).size);
  });
}

test('the end of a socket', async () => {
  const io = serverOf((socket) => {
    rooms(socket);
    end(socket, io);
  });
  const [ann, bob, cat] = [await connect(io), await connect(io), await connect(io)];
  const joined = once(ann, 'joined');
  ann.emit('join', 'lobby');
  await ann.emitWithAck('sync');
  bob.emit('join', 'lobby');
  await joined;
  const [left, online, { id }] = [once(bob, 'left'), once(cat, 'online'), ann];
  ann.disconnect();
  assert.deepEqual(await left, [id, 'client namespace disconnect']);
  assert.deepEqual(await online, [2]);
});

function catchAll(socket, console) {
  socket.onAny((event, ...args) => {
    console.log(socket.id, event, JSON.stringify(args));
  });
  socket.use(([event], next) => {
    next(event === "shout" ? new Error("quietly, please") : undefined);
  });
}

test('catch-all', async () => {
  const lines = [];
  const io = serverOf((socket) => {
    catchAll(socket, { log: (...line) => lines.push(line.join(' ')) });
    acknowledgements(socket, io);
    socket.on('shout', (text, callback) => callback('heard'));
    socket.on('error', () => {});
  });
  const ann = await connect(io);
  assert.equal(await ann.emitWithAck('add', 1, 2), 3);
  await assert.rejects(ann.timeout(100).emitWithAck('shout', 'HEY'));
  assert.deepEqual(lines, [`${ann.id} add [1,2,null]`, `${ann.id} shout ["HEY",null]`]); // a callback is an argument
});

function requests() {
  const io = new Server(3000, {
    allowRequest: (req, callback) => {
      const version = new URL(req.url, "http://localhost").searchParams.get("version");
      callback(version === "1" ? "please update" : null, version !== "1");
    },
  });
  return io;
}

test('requests', async () => {
  const io = requests();
  const ask = (version) => fetch(`${urlOf(io)}/socket.io/?EIO=4&transport=polling&version=${version}`);
  assert.equal((await ask(1)).status, 403);
  assert.equal((await ask(2)).status, 200);
});

function timers(socket, io, setTimeout) {
  socket.on("start auction", (item) => {
    setTimeout(() => io.emit("sold", item), 3_600_000);
  });
}

function engine(io, console) {
  io.engine.on("initial_headers", (headers) => {
    headers["x-served-by"] = "the reference";
  });
  io.engine.on("connection_error", (err) => {
    console.warn(err.code, err.message);
  });
}

test('hooks of the engine', async () => {
  const io = new Server(0, { allowEIO3: false });
  const lines = [];
  engine(io, { warn: (...line) => lines.push(line.join(' ')) });
  const ask = (version) => fetch(`${urlOf(io)}/socket.io/?EIO=${version}&transport=polling`);
  const [good, bad] = [await ask(4), await ask(3)];
  assert.equal(good.headers.get('x-served-by'), 'the reference');
  assert.equal(bad.headers.get('x-served-by'), null);
  assert.deepEqual(lines, ['5 Unsupported protocol version']);
});

test('timers', async () => {
  const io = serverOf((socket) => timers(socket, io, (f, ms) => ms === 3_600_000 && setImmediate(f)));
  const ann = await connect(io);
  const sold = once(ann, 'sold');
  ann.emit('start auction', 'a vase');
  assert.deepEqual(await sold, ['a vase']);
});

/** Needs an adapter of several processes, which there is none of here: it is what it calls. */
function cluster(io) {
  io.on("prices", (day) => {
    io.local.to("buyers").emit("prices", day);
  });
  io.serverSideEmit("prices", "monday");
}

test('serverSideEmit', () => {
  const calls = [];
  const io = new Server(0);
  io.of('/').adapter.serverSideEmit = (packet) => calls.push(packet);
  cluster(io);
  assert.deepEqual(calls, [['prices', 'monday']]);
  assert.equal(io.of('/').listenerCount('prices'), 1);
});

/** Needs Redis, which there is none of here: it is what it calls. */
function emitter(Emitter, redisClient, order) {
  const io = new Emitter(redisClient);

  io.to("orders").emit("shipped", order);
  io.of("/admin").emit("shipped", order);
  io.in("orders").socketsJoin("archive");
}

test('the emitter', () => {
  const redis = {};
  const calls = [];
  emitter(
    class {
      constructor(client) {
        assert.equal(client, redis);
      }

      to = (room) => ({ emit: (...args) => calls.push([room, ...args]) });
      of = (namespace) => ({ emit: (...args) => calls.push([namespace, ...args]) });
      in = (room) => ({ socketsJoin: (other) => calls.push([room, other]) });
    },
    redis,
    7,
  );
  assert.deepEqual(calls, [['orders', 'shipped', 7], ['/admin', 'shipped', 7], ['orders', 'archive']]);
});

const register = (io) => io.on('connection', rooms);

test("join", async () => {
  const io = new Server(0);
  register(io);
  const url = `http://localhost:${io.httpServer.address().port}`;
  const [ann, bob] = [Client(url), Client(url)];
  ann.emit("join", "lobby");
  const joined = new Promise((resolve) => ann.on("joined", resolve));
  bob.emit("join", "lobby");
  assert.equal(await joined, bob.id);
  ann.close();
  bob.close();
  io.close();
});
