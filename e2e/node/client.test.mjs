// The official client against the app "protocol" (ping interval 300 ms, ping timeout 2 s): what an
// application sees of connecting, namespaces, acknowledgements, binary data, loss and reconnection.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  modes, cleanUp, start, manager, once, connect, connected, connectIn, upgraded, until, keepsOrder, assertSent, Relay,
} from './clients.mjs';
import { largeText, test, textOnly } from './wire.mjs';

cleanUp();

for (const mode of Object.keys(modes)) {
  describe(mode, () => {
    connecting(mode);
    messages(mode);
    namespaces(mode);
    losing(mode);
  });
}

describe('upgrade', () => {
  test('starts on polling and ends on WebSocket', async () => {
    const socket = start(modes.upgrade);
    await once(socket.io, 'open');
    assert.equal(socket.io.engine.transport.name, 'polling');
    await connected(socket);
    await upgraded(socket);
    assert.deepEqual(await socket.emitWithAck('message-with-ack', 1), 1);
  });

  test('is not tried when the client does not want it', async () => {
    const socket = await connect({ ...modes.upgrade, upgrade: false });
    await sleep(400);
    assert.equal(socket.io.engine.transport.name, 'polling');
  });

  test('WebSocket first, polling as the second choice', async () => {
    const socket = await connect({ transports: ['websocket', 'polling'] });
    assert.equal(socket.io.engine.transport.name, 'websocket');
  });
});

function connecting(mode) {
  test('connects and gets its own id', async () => {
    const one = await connectIn(mode);
    const two = await connectIn(mode);
    assert.equal(typeof one.id, 'string');
    assert.notEqual(one.id, two.id);
    assert.notEqual(one.id, one.io.engine.id, 'the engine id is secret');
    assert.ok(!one.recovered);
  });

  test('hands its auth to the server', async () => {
    const auth = { token: 'abc', nested: { list: [1, null, 'ü'] } };
    const socket = start({ ...modes[mode], auth });
    assert.deepEqual(await once(socket, 'auth'), [auth]);
  });

  test('asks for its auth anew at each connect', async () => {
    let round = 0;
    const socket = start({ ...modes[mode], auth: (give) => give({ round: ++round }) });
    assert.deepEqual(await once(socket, 'auth'), [{ round: 1 }]);
    const left = once(socket, 'disconnect');
    socket.disconnect();
    await left;
    socket.connect();
    assert.deepEqual(await once(socket, 'auth'), [{ round: 2 }]);
  });

  test('stays connected while idle, for many heartbeats', async () => {
    const socket = await connectIn(mode);
    let lost = false;
    socket.on('disconnect', () => { lost = true; });
    await sleep(2_500);
    assert.equal(lost, false);
    assert.equal(await socket.emitWithAck('message-with-ack', 'still here'), 'still here');
  });
}

/**
 * Without order, a packet with an attachment and the frame that ends an upgrade may overtake each other, which the server cannot
 * tell from worse, and ends the connection: such a client waits for an answer first.
 */
async function settled(mode, socket) {
  if (!keepsOrder(mode)) await socket.emitWithAck('message-with-ack', 'after the upgrade');
}

function messages(mode) {
  const values = [1, -0.5, 'text', '', null, true, [], {}, { a: [{ b: null }] }, '€ü\u{1F600}\u2028', '\u0000\x1e"\\'];

  test('brings back what it sent, unchanged', async () => {
    const socket = await connectIn(mode);
    socket.emit('message', ...values);
    assert.deepEqual(await once(socket, 'message-back'), values);
  });

  test('acknowledges with what it got', async () => {
    const socket = await connectIn(mode);
    const got = await new Promise((resolve) => {
      socket.emit('message-with-ack', ...values, (...args) => resolve(args));
    });
    assert.deepEqual(got, values);
  });

  test('an ack that never comes times out', async () => {
    const socket = await connectIn(mode);
    await assert.rejects(socket.timeout(200).emitWithAck('nobody-listens', 1), /timed out/);
  });

  for (const forceBase64 of textOnly ? [true] : [false, true]) {
    test(`carries binary both ways${forceBase64 ? ' as base64' : ''}`, async () => {
      const socket = await connectIn(mode, { forceBase64 });
      await settled(mode, socket);
      const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => i % 256));
      // Attachments that overtake each other cannot be told apart: where they may, there is one.
      const more = keepsOrder(mode) ? [{ b: Buffer.from('x') }, Buffer.alloc(0)] : [];
      const args = [{ a: bytes, deep: more }, 'text'];
      socket.emit('message', ...args);
      assert.deepEqual(await once(socket, 'message-back'), args);
      assert.deepEqual(await socket.emitWithAck('message-with-ack', bytes), bytes);
    });
  }

  test('carries a large message', async () => {
    const socket = await connectIn(mode);
    assert.equal(await socket.emitWithAck('message-with-ack', largeText), largeText);
  });

  const kept = keepsOrder(mode) ? 'keeps the order of many' : 'brings back each of many once';
  test(`${kept}, text and binary mixed`, async () => {
    const socket = await connectIn(mode, { forceBase64: textOnly });
    await settled(mode, socket);
    const got = [];
    socket.on('message-back', (i) => got.push(i));
    for (let i = 0; i < 100; i++) {
      const binary = i % (keepsOrder(mode) ? 3 : 25) === 0; // without order each takes a second
      socket.emit('message', i, binary ? Buffer.from([i]) : 'text');
      // Nothing in an attachment says whose it is: without order one packet with attachments is on its way at a time.
      if (binary && !keepsOrder(mode)) await until(() => got.includes(i), `${i} did not come back`);
    }
    await until(() => got.length >= 100, () => `${got.length} of 100 came`);
    await socket.emitWithAck('message-with-ack', 'whatever was on its way is here now');
    assertSent(mode, got, 100, 'messages');
  });
}

function namespaces(mode) {
  test('serves several namespaces over one connection', async () => {
    const shared = manager(modes[mode]);
    const main = shared.socket('/', { auth: { who: 'main' } });
    const custom = shared.socket('/custom', { auth: { who: 'custom' } });
    const [[a], [b]] = await Promise.all([once(main, 'auth'), once(custom, 'auth')]);
    assert.deepEqual([a, b], [{ who: 'main' }, { who: 'custom' }]);
    assert.notEqual(main.id, custom.id);

    custom.disconnect();
    assert.equal(await main.emitWithAck('message-with-ack', 'on'), 'on');
    custom.connect();
    await once(custom, 'auth');
  });

  test('refuses an unknown namespace', async () => {
    const shared = manager(modes[mode]);
    const unknown = shared.socket('/nothing');
    const [error] = await once(unknown, 'connect_error');
    assert.equal(error.message, 'Invalid namespace');
    assert.equal(unknown.connected, false);
    await once(shared.socket('/custom'), 'connect');
  });
}

function losing(mode) {
  test('disconnect() by the client', async () => {
    const socket = await connectIn(mode);
    const left = once(socket, 'disconnect');
    socket.disconnect();
    assert.equal((await left)[0], 'io client disconnect');
    await sleep(300);
    assert.equal(socket.connected, false, 'does not come back by itself');
  });

  test('a cut wire: told, reconnected, what was emitted meanwhile arrives', async () => {
    const relay = await Relay.start();
    const socket = await connectIn(mode, {}, { url: relay.url });
    const before = socket.id;
    const back = [];
    socket.on('message-back', (value) => back.push(value));
    relay.cut();
    const [reason] = await once(socket, 'disconnect');
    assert.equal(reason, mode === 'polling' ? 'transport error' : 'transport close');
    socket.emit('message', 'sent while away');
    await once(socket, 'connect');
    assert.notEqual(socket.id, before);
    assert.equal(await socket.emitWithAck('message-with-ack', 'again'), 'again');
    if (!keepsOrder(mode)) await until(() => back.length > 0, 'what was sent while away did not come back');
    assert.deepEqual(back, ['sent while away']);
  });

  test('a silent wire: ping timeout, then reconnected', async () => {
    const relay = await Relay.start();
    const socket = await connectIn(mode, {}, { url: relay.url });
    relay.freeze();
    assert.equal((await once(socket, 'disconnect'))[0], 'ping timeout');
    relay.thaw();
    await once(socket, 'connect');
    assert.equal(await socket.emitWithAck('message-with-ack', 'again'), 'again');
  });
}
