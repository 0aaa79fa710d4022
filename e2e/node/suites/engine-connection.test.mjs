// What the suite "connection" of engine.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites", with a --max-payload of 100.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { beside, once, quiet, until } from '../clients.mjs';
import { dial } from './engineio.mjs';
import { atOnce } from './suite.mjs';

/** Sends a message and asserts that it comes back. */
async function assertEcho(socket, text) {
  const back = once(socket, 'message');
  socket.send(text);
  assert.deepEqual(await back, [text]);
}

async function opened(options) {
  const socket = dial(options);
  await once(socket, 'open');
  return socket;
}

describe('a connection', atOnce, () => {
  for (const [title, options] of [['polling first', {}], ['websocket', { transports: ['websocket'] }]]) {
    beside(`carries messages: ${title}`, async () => {
      const socket = await opened(options);
      assert.equal(socket.transport.name, options.transports?.[0] ?? 'polling');
      await assertEcho(socket, 'hi');
    });
  }

  beside('carries characters of several bytes', async () => assertEcho(await opened(), 'ten € — dix €'));

  beside('carries characters outside of the basic plane, and of private use', async () => {
    await assertEcho(await opened(), '\u{10000}\u{1F9ED}\u{F0000}\u{10FFFF}\uE000\uF8FF');
  });

  beside('sends nothing once it closes', async () => {
    const socket = await opened();
    socket.close();
    socket.send('hi');
    await quiet(socket, 'packetCreate', 200);
  });

  beside('posts as many messages at once as the server takes', async () => {
    const socket = await opened({ transports: ['polling'] });
    const max = socket._maxPayload;
    const groups = [
      ['a'.repeat(max - 1)],
      ['b'.repeat(30), 'c'.repeat(30), 'd'.repeat(max - 30 - 30 - 3 - 2)], // three types and two separators
      ['€'.repeat((max - 1) / 3)],
      ['e'.repeat(max - 1)],
    ];
    const got = [];
    let posts = 0;
    socket.on('message', (text) => got.push(text));
    socket.on('flush', () => posts++);
    for (const text of groups.flat()) socket.send(text);
    await until(() => got.length >= groups.flat().length, () => `${got.length} came`);
    assert.deepEqual(got, groups.flat());
    assert.equal(posts, groups.length);
  });

  beside('posts a message that is too large, and is closed', async () => {
    const socket = await opened({ transports: ['polling'] });
    socket.send('a'.repeat(socket._maxPayload + 1));
    socket.send('b');
    const [reason] = await once(socket, 'close');
    assert.equal(reason, 'transport error');
  });
});

describe('a connection that is closed while it is upgraded', atOnce, () => {
  /** A client whose upgrade has begun; events are those that it has had since. */
  async function upgrading() {
    const socket = dial();
    const events = [];
    for (const event of ['upgrade', 'upgradeError', 'packetCreate', 'close']) socket.on(event, () => events.push(event));
    await new Promise((resolve) => { socket.once('upgrading', resolve); });
    events.length = 0;
    return { socket, events };
  }

  beside('closes when the upgrade is over', async () => {
    const { socket, events } = await upgrading();
    socket.close();
    await once(socket, 'close');
    assert.deepEqual(events, ['upgrade', 'close']);
  });

  beside('closes when the upgrade has failed', async () => {
    const { socket, events } = await upgrading();
    socket.close();
    const closed = new Promise((resolve) => { socket.once('close', resolve); });
    socket.transport.onError('upgrade error');
    await closed;
    await sleep(0);
    assert.deepEqual([...events].sort(), ['close', 'upgradeError']);
  });

  beside('sends nothing any more', async () => {
    const { socket, events } = await upgrading();
    socket.close();
    socket.send('hi');
    await until(() => events.includes('close'), 'it did not close');
    assert.ok(!events.includes('packetCreate'));
  });

  beside('has sent what waited', async () => {
    const { socket } = await upgrading();
    socket.send('hi');
    socket.close();
    assert.equal(socket.writeBuffer.length, 1);
    let left;
    socket.once('close', () => { left = socket.writeBuffer.length; });
    await once(socket, 'close');
    assert.equal(left, 0);
  });
});
