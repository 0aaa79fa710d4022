// What the suite "node.js" of engine.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites", with a --max-payload of 100.

import assert from 'node:assert/strict';
import http from 'node:http';
import { describe } from 'node:test';
import { beside, ended, once, until } from '../clients.mjs';
import { base, test } from '../wire.mjs';
import { dial, ofEngineIO } from './engineio.mjs';
import { assertEnds, assertGoesOn, atOnce } from './suite.mjs';

const program = (options) => `
  import { createRequire } from 'node:module';
  const { Socket } = createRequire(createRequire(import.meta.url).resolve('socket.io-client'))('engine.io-client');
  const held = setInterval(() => {}, 1000);
  new Socket('${base.origin}', ${JSON.stringify(options)}).once('open', () => {
    console.log('connected');
    clearInterval(held);
  });
`;

describe('a program with nothing left but its client', atOnce, () => {
  beside('ends with autoUnref', () => assertEnds(program({ autoUnref: true })));

  for (const transport of ['polling', 'websocket']) {
    beside(`ends with autoUnref: ${transport}`, () => assertEnds(program({ autoUnref: true, transports: [transport] })));
  }

  beside('goes on without autoUnref', () => assertGoesOn(program({ autoUnref: false })));
});

describe('binary messages', atOnce, () => {
  beside('are posted with as many others as the server takes', async () => {
    const socket = dial({ transports: ['polling'] });
    await once(socket, 'open');
    const messages = [Buffer.alloc(72, 1), Buffer.alloc(20, 2), 'a'.repeat(20), Buffer.alloc(20, 3), Buffer.alloc(72, 4)];
    const got = [];
    socket.on('message', (data) => got.push(data));
    for (const data of messages) socket.send(data);
    await until(() => got.length >= messages.length, () => `${got.length} came`);
    assert.deepEqual(got, messages);
  });
});

describe('cookies', atOnce, () => {
  const set = ['one=1; Max-Age=86400', 'two=2; Path=/; HttpOnly; Secure; SameSite=Strict', 'gone=3; Max-Age=0', `past=4; Expires=${new Date(0).toUTCString()}`];

  /** Something between the client and the server that sets cookies, as load balancers do; what it was sent is in sent. */
  async function balancer() {
    const sent = [];
    const server = http.createServer((req, res) => {
      if (req.method === 'POST') sent.push(req.headers.cookie);
      const on = http.request(base, { method: req.method, path: req.url, headers: req.headers }, (answer) => {
        res.writeHead(answer.statusCode, req.url.includes('sid=') ? answer.headers : { ...answer.headers, 'set-cookie': set });
        answer.pipe(res);
      });
      on.on('error', () => res.destroy());
      req.pipe(on);
    });
    ended(server.listen(0, '127.0.0.1'), (one) => { one.closeAllConnections(); one.close(); });
    await once(server, 'listening');
    return { url: `http://127.0.0.1:${server.address().port}`, sent };
  }

  for (const [withCredentials, title, want] of [
    [true, 'those that have not expired go with what follows, withCredentials', 'one=1; two=2'],
    [false, 'none goes without withCredentials', undefined],
  ]) {
    beside(title, async () => {
      const { url, sent } = await balancer();
      const socket = dial({ transports: ['polling'], withCredentials }, url);
      await once(socket, 'open');
      socket.send('hi');
      assert.deepEqual(await once(socket, 'message'), ['hi']);
      assert.deepEqual(sent, [want]);
    });
  }
});

describe('a cookie', () => {
  const { parse } = ofEngineIO('globals.node.js');

  test('of a name and a value', () => assert.deepEqual(parse('name=value'), { name: 'name', value: 'value' }));

  test('with attributes: the time of its end is kept', () => {
    const text = 'name=value; Domain=.a.example; Path=/; Expires=Tue, 01 Jul 2025 10:01:11 GMT; HttpOnly; Secure; SameSite=strict';
    assert.deepEqual(parse(text), { name: 'name', value: 'value', expires: new Date(Date.UTC(2025, 6, 1, 10, 1, 11)) });
    const { expires } = parse('name=value; Max-Age=1000');
    assert.ok(Math.abs(expires - Date.now() - 1_000_000) < 60_000);
  });

  test('whose value has signs of its own', () => {
    assert.deepEqual(parse('name=a=b&c=d; Path=/; Secure'), { name: 'name', value: 'a=b&c=d' });
  });
});
