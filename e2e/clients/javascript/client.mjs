// The scenarios of the client matrix, spoken by a version of socket.io-client:
//
//   node client.mjs PACKAGE URL TRANSPORT FRAMES [SCENARIO...]
//
// PACKAGE is the name under which the version is installed; the rest is in ../README.md.

import assert from 'node:assert/strict';

const [name, url, transport, frames, ...asked] = process.argv.slice(2);
const library = await import(name);
const io = library.io ?? library.default; // before version 3 the module is the function
const { Manager } = library;
const v2 = library.protocol === 4; // of Socket.IO

const patience = 10_000;
const transports = { polling: ['polling'], websocket: ['websocket'], upgrade: ['polling', 'websocket'] }[transport];
const parser = process.env.NONSTICK_PARSER === 'msgpack' ? { parser: (await import('socket.io-msgpack-parser')).default } : {};
const options = { ...parser, transports, forceBase64: frames === 'text', reconnectionDelay: 50, reconnectionDelayMax: 200 };

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** The arguments of the next event of that name. */
function once(emitter, event) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no "${event}" in ${patience} ms`)), patience);
    emitter.once(event, (...args) => { clearTimeout(timer); resolve(args); });
  });
}

/** An application's event without the offset that a server with recovery puts behind its arguments. */
const withoutOffset = (args) => {
  if (process.env.NONSTICK_RECOVERY !== 'on' || v2) return args; // old clients are not recovered, and get none
  assert.equal(typeof args.at(-1), 'string', 'an offset is the last argument');
  return args.slice(0, -1);
};

/** The arguments of the next event of that name which the application emits. */
const heard = async (socket, event) => withoutOffset(await once(socket, event));

/** What the server acknowledges an event with. */
function ask(socket, event, ...args) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`"${event}" was not acknowledged in ${patience} ms`)), patience);
    socket.emit(event, ...args, (...answer) => { clearTimeout(timer); resolve(answer); });
  });
}

const open = [];

/** The namespace of clients that offer something, and what its values are there. */
const [main, texts] = v2
  ? ['/custom', (auth) => Object.fromEntries(Object.entries(auth).map(([key, value]) => [key, String(value)]))]
  : ['/', (auth) => auth];

/** What a socket offers when it joins. In version 2 it is a query of the namespace, and the main one has none. */
const offering = (auth) => (v2 ? { query: Object.keys(auth).length > 0 ? auth : '' } : { auth });

function start(auth = {}) {
  const address = v2 && Object.keys(auth).length > 0 ? new URL(main, url).href : url;
  const socket = io(address, { ...options, ...offering(auth), forceNew: true });
  open.push(socket.io);
  return socket;
}

/** A client that is connected, and on WebSocket if it is to upgrade. */
async function connect(auth) {
  const socket = start(auth);
  await once(socket, 'connect');
  await upgraded(socket);
  return socket;
}

async function upgraded(socket) {
  if (transport === 'upgrade' && socket.io.engine.transport.name !== 'websocket') await once(socket.io.engine, 'upgrade');
}

const scenarios = {
  async connect() {
    const auth = { hello: true, text: 'ü😀' };
    const socket = start(auth);
    const [hello] = await heard(socket, 'hello');
    assert.deepEqual(hello, { nsp: main });
    await upgraded(socket);
    assert.deepEqual(await ask(socket, 'auth'), [texts(auth)]);
    if (v2) assert.equal(socket.id, `${main}#${socket.io.engine.id}`);
  },

  async refused() {
    const socket = start({ deny: true });
    const data = { code: 7, text: 'ü😀' };
    if (v2) { // which is told of the data alone
      assert.deepEqual(await once(socket, 'error'), [data]);
      return;
    }
    const [error] = await once(socket, 'connect_error');
    assert.equal(error.message, 'denied');
    assert.deepEqual(error.data, data);
  },

  async acknowledged() {
    const socket = await connect();
    const args = [1, 'ü😀', null, { a: [true, 0.5] }];
    assert.deepEqual(await ask(socket, 'echo', ...args), args);
    assert.deepEqual(await ask(socket, 'refuse'), [{ message: 'no' }]);
  },

  async asked() {
    const socket = await connect();
    socket.on('question', (text, answer) => answer(`${text}!`, 2));
    const answered = heard(socket, 'answered');
    socket.emit('ask', 'why');
    assert.deepEqual(await answered, ['why!', 2]);
  },

  async waited() {
    const [asking, other] = await Promise.all([connect(), connect()]);
    other.on('q', (text, answer) => answer(`pong ${text}`));
    assert.deepEqual(await ask(asking, 'askother', other.id), ['pong hi']);
  },

  async binary() {
    const socket = await connect();
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const [same] = await ask(socket, 'bin', all);
    assert.deepEqual(Buffer.from(same), all);
    const back = heard(socket, 'back');
    socket.emit('back', { list: [all, Buffer.from('x')] }, 'text');
    const [{ list }, text] = await back;
    assert.deepEqual([...list.map((part) => Buffer.from(part)), text], [all, Buffer.from('x'), 'text']);
  },

  async rooms() {
    const room = `room ${Math.random()}`;
    const [a, b] = await Promise.all([connect({ room }), connect(v2 ? { room: 'another' } : {})]); // of one namespace
    assert.deepEqual(await ask(b, 'join', room), ['ok']);
    const both = [heard(a, 'said'), heard(b, 'said')];
    assert.deepEqual(await ask(a, 'say', room, { n: 1 }), [true]);
    assert.deepEqual(await Promise.all(both), [[{ n: 1 }], [{ n: 1 }]]);
    assert.deepEqual(await ask(a, 'leave', room), ['ok']);
    a.on('said', () => assert.fail('a socket that has left the room was reached'));
    const left = heard(b, 'said');
    await ask(a, 'say', room, 2);
    assert.deepEqual(await left, [2]);
  },

  async namespaces() {
    const manager = new Manager(url, options);
    open.push(manager);
    const [first, custom] = [manager.socket('/'), manager.socket('/custom', offering({ hello: true }))];
    const [[hello]] = await Promise.all([heard(custom, 'hello'), once(first, 'connect')]);
    assert.deepEqual(hello, { nsp: '/custom' });
    assert.deepEqual(await Promise.all([ask(first, 'echo', 1), ask(custom, 'echo', 2)]), [[1], [2]]);
    custom.disconnect();
    assert.deepEqual(await ask(first, 'echo', 3), [3]);
  },

  async ended() {
    const socket = await connect();
    const last = heard(socket, 'last');
    const end = once(socket, 'disconnect');
    socket.emit('bye');
    assert.deepEqual(await last, [1]);
    assert.equal((await end)[0], 'io server disconnect');
  },

  async reconnected() {
    const socket = await connect();
    const before = socket.id;
    const end = once(socket, 'disconnect');
    print({ cut: true });
    await end;
    await once(socket, 'connect');
    assert.notEqual(socket.id, before);
    assert.deepEqual(await ask(socket, 'echo', 'again'), ['again']);
  },

  async recovered() {
    const room = `room ${Math.random()}`;
    const socket = await connect({ room });
    const said = [];
    socket.on('said', (...args) => said.push(...withoutOffset(args)));
    await ask(socket, 'say', room, 1);
    const before = socket.id;
    const end = once(socket, 'disconnect');
    print({ cut: true, say: { room, values: [2, 3] } });
    await end;
    await once(socket, 'connect');
    assert.equal(socket.recovered, true);
    assert.equal(socket.id, before);
    const last = new Promise((resolve) => { socket.on('said', (value) => { if (value === 4) resolve(); }); });
    await ask(socket, 'say', room, 4);
    await last;
    assert.deepEqual(said, [1, 2, 3, 4]);
  },
};

for (const [scenario, run] of Object.entries(scenarios)) {
  if (asked.length > 0 && !asked.includes(scenario)) continue;
  const began = Date.now();
  const error = await run().then(() => '', (e) => e.message);
  print({ name: scenario, status: error ? 'fail' : 'pass', ms: Date.now() - began, error });
  for (const manager of open.splice(0)) (manager._close ?? manager.close).call(manager);
}
process.exit(0);
