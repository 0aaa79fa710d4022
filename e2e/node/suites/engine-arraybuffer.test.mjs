// What the suite "arraybuffer" of engine.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites", with a --max-payload of 100.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { beside, once, until } from '../clients.mjs';
import { textOnly } from '../wire.mjs';
import { dial } from './engineio.mjs';
import { atOnce } from './suite.mjs';

const data = Int8Array.of(0, 1, -1, 127, -128);
const text = 'ten € — dix €';

const cases = {
  polling: [{ transports: ['polling'] }, 'open'],
  websocket: [{ forceBase64: textOnly }, 'upgrade'],
};

/** A client that gets binary data as an ArrayBuffer, once the event has come. */
async function ready([options, event], more) {
  const socket = dial({ ...options, ...more });
  socket.binaryType = 'arraybuffer';
  await new Promise((resolve) => { socket.once(event, resolve); });
  return socket;
}

/** Sends messages and returns what comes back. */
async function bounced(socket, ...messages) {
  const got = [];
  socket.on('message', (message) => got.push(message));
  for (const message of messages) socket.send(message);
  await until(() => got.length >= messages.length, () => `${got.length} came`);
  return got;
}

function assertData(got) {
  assert.ok(got instanceof ArrayBuffer);
  assert.deepEqual(new Int8Array(got), data);
}

describe('binary data', atOnce, () => {
  for (const [name, which] of Object.entries(cases)) {
    beside(`comes back: ${name}`, async () => {
      const [got] = await bounced(await ready(which), data);
      assertData(got);
    });

    beside(`comes back before the text that was sent after it: ${name}`, async () => {
      const [first, second] = await bounced(await ready(which), data, text);
      assertData(first);
      assert.equal(second, text);
    });

    beside(`comes back as base64: ${name}`, async () => {
      const [got] = await bounced(await ready(which, { forceBase64: true }), data);
      assertData(got);
    });
  }

  beside('is posted with as much as the server takes', async () => {
    const messages = [new Uint8Array(72), new Uint8Array(20), 'a'.repeat(20), new Uint8Array(20).buffer, new Uint8Array(72)];
    const got = await bounced(await ready(cases.polling), ...messages);
    assert.deepEqual(got.map((one) => one.byteLength ?? one), messages.map((one) => one.byteLength ?? one));
  });
});
