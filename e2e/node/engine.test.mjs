// What a program may say about the requests of clients and their sessions (io.engine of Socket.IO), as the official
// client meets it, and what asks without one. The server runs the application "cases", for this file alone.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import WebSocket from 'ws';
import { cleanUp, connect, ended, modes, once, start, until } from './clients.mjs';
import { base, sleep, socketIO, test } from './wire.mjs';

cleanUp();

const patience = 20_000;
const options = { reconnection: false };
const ask = (socket, ...args) => socket.timeout(patience).emitWithAck(...args);
const fresh = () => randomUUID().replaceAll('-', '').slice(0, 20);

/** One request of the polling transport, with whatever is in its query. */
async function request(query, init = {}) {
  const url = new URL(socketIO, base);
  url.search = new URLSearchParams({ EIO: '4', transport: 'polling', ...query });
  return fetch(url, init);
}

/** Opens a session with an id of its own, and returns that. */
async function open(query) {
  const res = await request(query);
  const body = await res.text();
  assert.equal(res.status, 200, body);
  return JSON.parse(body.slice(1)).sid;
}

for (const mode of Object.keys(modes)) {
  test(`${mode}: the program makes the ids of sessions`, async () => {
    const wantid = `${mode}-${fresh()}`;
    const socket = await connect({ ...options, ...modes[mode], query: { wantid } });
    assert.equal(socket.io.engine.id, wantid);
    assert.notEqual(socket.id, wantid);
    assert.equal(await ask(socket, 'str', 'here'), 'here');
    const second = start({ ...options, ...modes[mode], query: { wantid } });
    await once(second, 'connect_error', patience);
    assert.equal(await ask(socket, 'str', 'still here'), 'still here'); // its id was refused, not taken over
  });

  test(`${mode}: a socket knows its transport, and is told of the upgrade`, async () => {
    const socket = start({ ...options, ...modes[mode] });
    const upgrades = [];
    socket.on('upgraded', (to) => upgrades.push(to));
    await once(socket, 'connect', patience);
    if (mode === 'upgrade') await until(() => upgrades.length > 0, 'it was not told', patience);
    const now = socket.io.engine.transport.name;
    assert.equal(now, mode === 'polling' ? 'polling' : 'websocket');
    assert.equal(await ask(socket, 'transport'), now);
    assert.deepEqual(upgrades, mode === 'upgrade' ? ['websocket'] : []);
  });

  test(`${mode}: clients are counted`, async () => {
    const watcher = await connect(options);
    const count = () => ask(watcher, 'clients');
    let before = await count();
    for (let same = 0; same < 8; same++) { // until those of other tests have gone
      await sleep(100);
      const now = await count();
      if (now !== before) [before, same] = [now, 0];
    }
    const more = await Promise.all([1, 2, 3].map(() => connect({ ...options, ...modes[mode] })));
    for (const deadline = Date.now() + patience; await count() !== before + 3;) {
      assert.ok(Date.now() < deadline, `${await count()}, want ${before + 3}`);
    }
    for (const socket of more) socket.disconnect();
    for (const deadline = Date.now() + patience; await count() !== before;) {
      assert.ok(Date.now() < deadline, `${await count()}, want ${before}`);
    }
  });
}

test('an id that is none, and a function that fails, refuse the session', async () => {
  for (const query of [{ wantid: 'a b' }, { wantid: 'ü' }, { wantid: 'x'.repeat(65) }, { failid: '1' }, { panicid: '1' }]) {
    const res = await request(query);
    assert.equal(res.status, 400, JSON.stringify(query));
    assert.deepEqual(await res.json(), { code: 3, message: 'Bad request' });
    const socket = start({ ...options, ...modes.websocket, query });
    await once(socket, 'connect_error', patience);
  }
  assert.equal((await open({ wantid: `${fresh().repeat(3)}abcd` })).length, 64);
});

test('the first answer has the headers that the program adds, and each has those for all', async () => {
  const query = { cookies: '1', header: 'a?' };
  const first = await request(query);
  const { sid } = JSON.parse((await first.text()).slice(1));
  assert.deepEqual(first.headers.getSetCookie(), ['a=1; Path=/', 'b=2; HttpOnly']);
  assert.equal(first.headers.get('x-initial'), 'yes');
  assert.equal(first.headers.get('x-each'), 'a?');
  assert.equal(first.headers.get('content-type'), 'text/plain; charset=UTF-8');
  const post = await request({ ...query, sid }, { method: 'POST', body: '40' });
  assert.equal(await post.text(), 'ok');
  const get = await request({ ...query, sid });
  assert.match(await get.text(), /^40\{"sid"/);
  for (const res of [post, get]) {
    assert.equal(res.headers.get('x-each'), 'a?');
    assert.equal(res.headers.get('x-initial'), null);
    assert.deepEqual(res.headers.getSetCookie(), []);
  }
  const plain = await request({});
  assert.equal(plain.headers.get('x-each'), null);
  const refused = await request({ ...query, sid: 'none' });
  assert.equal(refused.headers.get('x-each'), null);
});

test('an answer cannot be split by a header', async () => {
  const res = await request({ header: 'a\r\nx-evil: 1', cookies: '1' });
  assert.equal(res.status, 200);
  assert.equal(res.headers.get('x-each'), null);
  assert.equal(res.headers.get('x-evil'), null);
  assert.equal(res.headers.get('x-initial'), 'yes');
});

test('a refused request is told of, with its code and context', async () => {
  const watcher = await connect(options);
  const taken = await open({ wantid: fresh() });
  const unmarked = Promise.all([request({ sid: 'none' }), request({ transport: 'none' })]);
  const errors = [
    [{ transport: 'tcp' }, {}, [0, 'Transport unknown', { transport: 'tcp' }]],
    [{ sid: 'unknown' }, {}, [1, 'Session ID unknown', { sid: 'unknown' }]],
    [{ sid: 'unknown' }, { method: 'POST', body: '40' }, [1, 'Session ID unknown', { sid: 'unknown' }]],
    [{}, { method: 'POST', body: '40' }, [2, 'Bad handshake method', { method: 'POST' }]],
    [{ transport: 'websocket' }, {}, [3, 'Bad request', { name: 'TRANSPORT_HANDSHAKE_ERROR' }]],
    [{ transport: 'websocket', sid: taken }, {}, [3, 'Bad request', {
      name: 'TRANSPORT_MISMATCH', transport: 'websocket', previousTransport: 'polling',
    }]],
    [{ failid: '1' }, {}, [3, 'Bad request', {
      name: 'ID_GENERATION_ERROR', error: 'engineio: Bad request: no id for this one',
    }]],
    [{ EIO: '3' }, {}, [5, 'Unsupported protocol version', { protocol: '3' }]],
  ];
  for (const [query, init, want] of errors) {
    const mark = fresh();
    await ask(watcher, 'watch', mark);
    const told = once(watcher, 'refused', patience);
    assert.equal((await request({ ...query, mark }, init)).status, 400);
    assert.deepEqual(await told, want);
  }
  await unmarked;
});

test('a refused WebSocket is told of', async () => {
  const watcher = await connect(options);
  const mark = fresh();
  await ask(watcher, 'watch', mark);
  const told = once(watcher, 'refused', patience);
  const socket = start({ ...options, ...modes.websocket, query: { mark, failid: '1' } });
  await once(socket, 'connect_error', patience);
  const [code, , context] = await told;
  assert.equal(code, 3);
  assert.equal(context.name, 'ID_GENERATION_ERROR');
});

// What ends a session, with the reason and the beginning of the description; on WebSocket too unless it is a request's.
const ends = [
  ['what is no Engine.IO packet', 'x', 'parse error', /unknown packet type/],
  ['what is no Socket.IO packet', '4x', 'forced close', /./],
  ['a reserved event', '42/details,["disconnect"]', 'forced close', /./],
  ['a second CONNECT', '40/details,', 'forced server close', /twice/],
  ['an event for a namespace that it has not joined', '42["str","x"]', 'forced server close', /has not joined/],
  ['CONNECT_ERROR', '44/details,{"message":"x"}', 'forced server close', /CONNECT_ERROR/],
  ['a ping', '2', 'transport error', /heartbeat/],
  ['a close packet', '1', 'transport close', /./],
  ['DISCONNECT', '41/details,', 'client namespace disconnect', /^$/],
];

for (const [what, packet, reason, description] of ends) {
  test(`a client that sends ${what} has left for "${reason}", on both transports, and the handler knows why`, async () => {
    const watcher = await connect(options);
    for (const transport of ['polling', 'websocket']) {
      const mark = fresh();
      await ask(watcher, 'watch', mark);
      const told = once(watcher, 'ended', patience);
      await speak(transport, [`40/details,{"mark":"${mark}"}`, packet]);
      const [why, code, text] = await told;
      assert.equal(why, reason, transport);
      assert.equal(code, 0);
      assert.match(text, description, transport);
    }
  });
}

/** Opens a session and sends two packets, the second when the first was answered. */
async function speak(transport, [first, second]) {
  if (transport === 'polling') {
    const sid = await open({});
    const post = (body) => request({ sid }, { method: 'POST', body });
    assert.equal(await (await post(first)).text(), 'ok');
    assert.match(await (await request({ sid })).text(), /^40\/details,/);
    await post(second);
    return;
  }
  const socket = new WebSocket(new URL(`${socketIO}?EIO=4&transport=websocket`, base.href.replace(/^http/, 'ws')));
  ended(socket, (one) => one.close());
  const frames = [];
  socket.on('message', (data) => frames.push(String(data)));
  await until(() => frames.length > 0, 'it did not open', patience);
  socket.send(first);
  await until(() => frames.some((frame) => frame.startsWith('40/details,')), () => `got ${frames}`, patience);
  socket.send(second);
}

test('a socket whose WebSocket has closed knows its close code, where the platform tells it', async () => {
  const watcher = await connect(options);
  const mark = fresh();
  await ask(watcher, 'watch', mark);
  const told = once(watcher, 'ended', patience);
  const socket = start({ ...options, ...modes.websocket, auth: { mark } }, { namespace: '/details' });
  await once(socket, 'connect', patience);
  socket.io.engine.transport.ws.close(4001, 'enough');
  const [reason, code, text] = await told;
  assert.equal(reason, 'transport close');
  // A queue that frames go through in order is not told.
  assert.deepEqual([code, text], process.env.NONSTICK_INBOUND === 'ordered' ? [0, ''] : [4001, 'enough']);
});
