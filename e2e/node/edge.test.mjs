// What the server knows of a client that comes through CloudFront, and what becomes of one that goes round it. NONSTICK_URL is CloudFront,
// NONSTICK_HTTP_URL the HTTP API itself, NONSTICK_WEBSOCKET_URL the WebSocket API with its stage. The server runs the app cases with
// Edge=only, and with CORS for http://allowed.example.

import assert from 'node:assert/strict';
import { after, describe } from 'node:test';
import WebSocket from 'ws';
import { cleanUp, connectIn } from './clients.mjs';
import { base, sleep, socketIO, test, Wire } from './wire.mjs';

after(cleanUp);

const address = '127.0.0.1'; // of this client, and of CloudFront here
const forged = {
  'x-forwarded-host': 'evil.example', 'x-forwarded-for': '192.0.2.1', 'x-nonstick-viewer': '192.0.2.2', 'x-nonstick-edge': 'guessed',
};

for (const transport of ['polling', 'websocket']) {
  describe(transport, () => {
    test('the handshake has the host that was asked and the address of the client, whatever the client says', async () => {
      const socket = await connectIn(transport, { forceBase64: true, extraHeaders: forged });
      const { headers, address: seen } = await socket.timeout(8_000).emitWithAck('hs');
      const named = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
      assert.equal(named.host, base.host);
      assert.equal(seen, address);
      for (const name of ['x-nonstick-edge', 'x-nonstick-viewer']) assert.ok(!(name in named), `it keeps ${name}`);
      assert.ok(!JSON.stringify(headers).includes('evil'), JSON.stringify(headers));
      assert.match(String(named.via), /CloudFront/);
    });
  });
}

test('a page of the one address may open a WebSocket, and one of the list', async () => {
  for (const origin of [base.origin, 'http://allowed.example']) {
    const wire = await Wire.open(socketIO, { headers: { origin } });
    assert.equal((await wire.next())[0], '0');
    wire.close();
  }
});

test('a page of another origin may not, and neither may one that names its host', async () => {
  for (const headers of [{}, forged]) {
    await assert.rejects(Wire.open(socketIO, { headers: { ...headers, origin: 'http://evil.example' } }), { status: 400 });
  }
});

describe('round CloudFront', () => {
  /** The status that a WebSocket is refused with. */
  const refused = (url, headers) => new Promise((resolve, reject) => {
    const socket = new WebSocket(url, { headers });
    socket.on('unexpected-response', (_, answer) => { resolve(answer.statusCode); socket.terminate(); });
    socket.on('open', () => { reject(new Error('it is open')); socket.terminate(); });
    socket.on('error', () => {});
  });

  for (const [name, headers] of Object.entries({ 'a client': {}, 'one that makes up a key': forged })) {
    test(`${name} is refused by both APIs`, async () => {
      const polling = await fetch(new URL('/socket.io/?EIO=4&transport=polling', process.env.NONSTICK_HTTP_URL), { headers });
      assert.equal(polling.status, 403);
      assert.equal(await polling.text(), '{"message":"Forbidden"}');
      assert.equal(await refused(`${process.env.NONSTICK_WEBSOCKET_URL}?EIO=4&transport=websocket`, headers), 403);
    });
  }
});

test('a path that only says that it is a WebSocket is one of the HTTP API', async () => {
  const answer = await fetch(new URL('/socket.io/?EIO=4&transport=websocket', base), { method: 'POST', body: 'x' });
  assert.deepEqual([answer.status, await answer.json()], [400, { code: 2, message: 'Bad handshake method' }]);
  await sleep(0);
});
