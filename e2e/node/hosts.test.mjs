// Clients where each API has a host of its own, as on AWS without a front: how they are told of the second one, and what becomes of those
// that are not. NONSTICK_URL is the HTTP API, NONSTICK_WEBSOCKET_URL the WebSocket API with its stage. The server runs the app cases.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { base, test } from './wire.mjs';

const require = createRequire(import.meta.url);
const latest = require('socket.io-client');
const before47 = require('socket.io-client-4-0');
const webSocket = new URL(process.env.NONSTICK_WEBSOCKET_URL);
const patience = 10_000;

/** Waits for something, and not for ever. */
function inTime(what, begin) {
  return new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${what}: not in time`)), patience).unref();
    begin(resolve, reject);
  });
}

/** Connects, waits for the end of the upgrade if there is one, has an event answered, and returns how the upgrade ended and the transport. */
async function connect(io, url, options) {
  const socket = io(url, { forceNew: true, forceBase64: true, reconnection: false, ...options });
  const { engine } = socket.io;
  const upgraded = options.transports ? 'none' : inTime('upgrade', (resolve) => {
    engine.once('upgrade', () => resolve('made'));
    engine.once('upgradeError', () => resolve('refused'));
  });
  try {
    await inTime('connect', (resolve, reject) => {
      socket.on('connect', resolve);
      socket.on('connect_error', reject);
    });
    const upgrade = await upgraded;
    assert.equal(await inTime('answer', (resolve) => { socket.emit('str', 'hello', resolve); }), 'hello');
    return { upgrade, transport: engine.transport.name };
  } finally {
    socket.disconnect();
  }
}

const second = { hostname: webSocket.hostname, port: webSocket.port, path: webSocket.pathname };

test('a client that is told of the second host upgrades', async () => {
  const got = await connect(latest.io, base.href, { transportOptions: { websocket: second } });
  assert.deepEqual(got, { upgrade: 'made', transport: 'websocket' });
});

test('WebSocket alone, at its stage', async () => {
  const options = { path: webSocket.pathname, addTrailingSlash: false, transports: ['websocket'] };
  assert.equal((await connect(latest.io, `http://${webSocket.host}`, options)).transport, 'websocket');
});

test('polling alone', async () => {
  assert.equal((await connect(latest.io, base.href, { transports: ['polling'] })).transport, 'polling');
});

test('a client that is not told stays on polling', async () => {
  assert.deepEqual(await connect(latest.io, base.href, {}), { upgrade: 'refused', transport: 'polling' });
});

test('before 4.7 a client cannot be told', async () => {
  const got = await connect(before47.io, base.href, { transportOptions: { websocket: second } });
  assert.deepEqual(got, { upgrade: 'refused', transport: 'polling' });
});
