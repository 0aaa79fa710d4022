// What the msgpack parser of clients changes, with the app "cases": binary data in the packets, and values that JSON does not
// have.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { beside, connect, modes, once, start } from './clients.mjs';
import { Polling, socketIO, textOnly } from './wire.mjs';

const options = { forceBase64: textOnly, reconnection: false };
const patience = 15_000;
const recovery = process.env.NONSTICK_RECOVERY === 'on';

/** What the server acknowledges with. */
const ask = (socket, event, ...args) => new Promise((resolve, reject) => {
  socket.timeout(patience).emit(event, ...args, (error, ...answer) => (error ? reject(error) : resolve(answer)));
});

/** The arguments of an event, without the offset that a server with recovery puts behind them. */
async function heard(socket, event) {
  const args = await once(socket, event, patience);
  if (!recovery) return args;
  assert.equal(typeof args.at(-1), 'string', 'an offset is the last argument');
  return args.slice(0, -1);
}

const bytes = (n, first) => Buffer.from(Array.from({ length: n }, (_, i) => (first + i) % 256));

for (const mode of Object.keys(modes)) {
  const join = (more = {}) => connect({ ...options, ...modes[mode], ...more });

  beside(`${mode}: values of every kind there and back`, async () => {
    const socket = await join();
    const args = [
      null, true, 0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER, -1, -32, -33, -128, -129, -32_769,
      -(2 ** 31) - 1, Number.MIN_SAFE_INTEGER, 0.5, -1e-7, 1e15 + 0.5, '', 'ü😀\u0000"\\', 'x'.repeat(300), [], {}, [[{ a: [] }]],
      Array.from({ length: 20 }, (_, i) => i), Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i])),
    ];
    assert.deepEqual(await ask(socket, 'echo', ...args), args);
  });

  beside(`${mode}: values that JSON does not have`, async () => {
    const socket = await join();
    const day = new Date(1.5e12);
    assert.deepEqual(await ask(socket, 'echo', undefined, { a: undefined, b: 1 }, day, NaN, Infinity), [
      null, { b: 1 }, day.toISOString(), null, null,
    ]);
    assert.deepEqual(await ask(socket, 'str', day), [day.toISOString()]);
  });

  beside(`${mode}: binary data, at any depth`, async () => {
    const socket = await join();
    const all = bytes(256, 0);
    assert.deepEqual(await ask(socket, 'bin', all), [all]);
    assert.deepEqual(await ask(socket, 'bin', new Uint8Array([1, 2, 3]).buffer), [Buffer.from([1, 2, 3])]);
    assert.deepEqual(await ask(socket, 'bytes', bytes(300, 7)), [300]);
    assert.deepEqual(await ask(socket, 'struct', { a: 1, b: bytes(3, 0) }), [4]);
    const nested = { list: [all, { deep: Buffer.from('x') }], text: 'ü', empty: Buffer.alloc(0) };
    const back = heard(socket, 'back');
    socket.emit('back', nested, 'text', Buffer.from('y'));
    assert.deepEqual(await back, [nested, 'text', Buffer.from('y')]);
  });

  beside(`${mode}: more attachments than clients of JSON take, several events at once`, async () => {
    const socket = await join();
    const events = Array.from({ length: 5 }, (_, e) => Array.from({ length: 30 }, (_, i) => bytes(i, e)));
    assert.deepEqual(await Promise.all(events.map((each) => ask(socket, 'echo', ...each))), events);
  });

  beside(`${mode}: what looks like an attachment`, async () => {
    const socket = await join();
    assert.deepEqual(await ask(socket, 'echo', { _placeholder: true, num: 0 }), [{ _placeholder: true, num: 0 }]);
  });

  beside(`${mode}: binary data to all, and the server asks with some`, async () => {
    const mine = randomUUID();
    const [a, b] = await Promise.all([join(), connect({ ...options, ...modes.websocket })]);
    const both = Promise.all([a, b].map((socket) => new Promise((resolve) => {
      socket.on('all', (whose, ...args) => { if (whose === mine) resolve(args); });
    })));
    const said = { picture: bytes(1000, 3) };
    assert.deepEqual(await ask(a, 'all', mine, said), [true]);
    for (const args of await both) assert.deepEqual(args[0], said);
    a.on('question', (data, ack) => ack(Buffer.concat([data, data]), 'twice'));
    const answered = heard(a, 'answered');
    a.emit('ask', Buffer.from('q'));
    assert.deepEqual(await answered, [Buffer.from('qq'), 'twice']);
  });

  beside(`${mode}: binary data in the auth is its base64`, async () => {
    const socket = await join({ auth: { key: Buffer.from([1, 2]) } });
    assert.deepEqual(await ask(socket, 'auth'), [{ key: 'AQI=' }]);
  });

  beside(`${mode}: a client with the parser of JSON is refused`, async () => {
    const socket = start({ ...options, ...modes[mode], parser: undefined });
    await assert.rejects(once(socket, 'connect', 1_000));
    assert.equal(socket.active && socket.io.engine?.readyState === 'open', false, 'its connection is closed');
  });
}

if (textOnly) {
  beside('without forceBase64 API Gateway closes a WebSocket at the first packet', async () => {
    const socket = start({ ...options, ...modes.websocket, forceBase64: false });
    const [, details] = await once(socket.io, 'close', patience);
    assert.equal(details.context.code, 1003);
  });
}

for (const [what, packet] of Object.entries({
  'no MessagePack': Buffer.from([0xc1]),
  'half a packet': Buffer.from([0x82, 0xa4]),
  'a type of JSON': Buffer.from('82a47479706505a36e7370a12f', 'hex'),
  'a reserved event': Buffer.from('83a47479706502a46461746191a7636f6e6e656374a36e7370a12f', 'hex'),
})) {
  beside(`${what} ends the session`, async () => {
    const session = await Polling.open(socketIO);
    await session.send('40');
    await session.packetsUntil((one) => one.startsWith('40'));
    await session.send(`b${packet.toString('base64')}`);
    assert.equal((await session.packets()).at(-1), '1', 'it is closed');
    await session.assertGone();
  });
}
