// socket.io-client 2.x against a server with allowEIO3, in every transport. The server runs the app "cases".

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, describe } from 'node:test';
import { base, sleep, test, textOnly } from './wire.mjs';

const require = createRequire(import.meta.url);
const patience = 10_000;
const open = new Set();
after(() => { for (const socket of open) socket.close(); });

const once = (emitter, event) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error(`no "${event}" in ${patience} ms`)), patience);
  emitter.once(event, (...args) => { clearTimeout(timer); resolve(args); });
});

const ask = (socket, event, ...args) => new Promise((resolve, reject) => {
  const timer = setTimeout(() => reject(new Error(`"${event}" was not acknowledged`)), patience);
  socket.emit(event, ...args, (...answer) => { clearTimeout(timer); resolve(answer); });
});

for (const version of ['2-5', '2-0']) {
  const io = require(`socket.io-client-${version}`);
  for (const transport of ['polling', 'websocket', 'upgrade']) {
    describe(`socket.io-client ${version}, ${transport}`, () => { suite(io, transport); });
  }
}

function suite(io, transport) {
  const transports = transport === 'upgrade' ? ['polling', 'websocket'] : [transport];

  function start(nsp = '/', options = {}) {
    const socket = io(new URL(nsp, base).href, { transports, forceNew: true, forceBase64: textOnly, ...options });
    open.add(socket);
    return socket;
  }

  async function connect(nsp, options) {
    const socket = start(nsp, options);
    await once(socket, 'connect');
    const { engine } = socket.io;
    if (transport === 'upgrade' && engine.transport.name !== 'websocket') await once(engine, 'upgrade');
    return socket;
  }

  test('acknowledges, and knows the client by its id', async () => {
    const [asking, other] = await Promise.all([connect(), connect()]);
    const args = [1, 'ü😀', null, { a: [true, 0.5] }];
    assert.deepEqual(await ask(asking, 'echo', ...args), args);
    other.on('q', (text, answer) => answer(`pong ${text}`));
    assert.deepEqual(await ask(asking, 'askother', other.id), ['pong hi']);
  });

  test('sends and gets binary data', async () => {
    const socket = await connect();
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    const [same] = await ask(socket, 'bin', all);
    assert.deepEqual(Buffer.from(same), all);
    const back = once(socket, 'back');
    socket.emit('back', { list: [all, Buffer.from('x')] }, 'text');
    const [{ list }, text] = await back;
    assert.deepEqual([...list.map((part) => Buffer.from(part)), text], [all, Buffer.from('x'), 'text']);
  });

  test('is in rooms beside others', async () => {
    const room = `room ${Math.random()}`;
    const [a, b] = await Promise.all([connect(), connect()]);
    for (const s of [a, b]) assert.deepEqual(await ask(s, 'join', room), ['ok']);
    const both = [once(a, 'said'), once(b, 'said')];
    assert.deepEqual(await ask(a, 'say', room, { n: 1 }), [true]);
    assert.deepEqual(await Promise.all(both), [[{ n: 1 }], [{ n: 1 }]]);
  });

  test('joins a namespace with a query, and has an id of it', async () => {
    const socket = await connect('/custom', { query: { room: 'a b' } });
    assert.match(socket.id, /^\/custom#/);
    const [auth] = await ask(socket, 'auth');
    assert.equal(auth.room, 'a b');
    assert.deepEqual(await ask(socket, 'echo', 2), [2]);
    const main = await connect();
    assert.deepEqual(await ask(main, 'echo', 3), [3]);
  });

  test('is told that it may not join', async () => {
    const [error] = await once(start('/nowhere'), 'error');
    assert.deepEqual(error, { message: 'Invalid namespace' });
    const [data] = await once(start('/custom', { query: { deny: 1 } }), 'error');
    assert.deepEqual(data, { code: 7, text: 'ü😀' });
  });

  test('is told of the end', async () => {
    const socket = await connect();
    const end = once(socket, 'disconnect');
    socket.emit('bye');
    assert.deepEqual(await end, ['io server disconnect']);
  });

  test('stays when it pings', async () => {
    const socket = await connect();
    let ended = false;
    socket.on('disconnect', () => { ended = true; });
    await sleep(2_500);
    assert.equal(ended, false);
    assert.deepEqual(await ask(socket, 'echo', 'still'), ['still']);
  });
}
