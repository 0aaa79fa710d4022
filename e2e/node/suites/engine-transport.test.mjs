// What the suite "Transport" of engine.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites".

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { beside, once } from '../clients.mjs';
import { test } from '../wire.mjs';
import { dial, engineIO } from './engineio.mjs';
import { atOnce } from './suite.mjs';

const { Transport, transports } = engineIO;

describe('a client that has upgraded before', () => { // which all clients remember: one after the other
  for (const rememberUpgrade of [true, false]) {
    beside(`begins with ${rememberUpgrade ? 'WebSocket with rememberUpgrade' : 'polling without rememberUpgrade'}`, async () => {
      const socket = dial();
      assert.equal(socket.transport.name, 'polling');
      const [transport] = await once(socket, 'upgrade');
      assert.equal(transport.name, 'websocket');
      assert.equal(dial({ rememberUpgrade }).transport.name, rememberUpgrade ? 'websocket' : 'polling');
    });
  }
});

describe('the package', () => {
  test('has the class of transports', () => assert.equal(typeof Transport, 'function'));

  test('has both transports', () => {
    for (const name of ['polling', 'websocket']) assert.equal(typeof transports[name], 'function');
  });
});

describe('addresses', () => {
  const uri = (name, options) => new transports[name]({ path: '/engine.io', hostname: 'localhost', timestampRequests: false, ...options }).uri();
  const sid = { query: { sid: 'one' } };

  for (const [title, name, options, want] of [
    ['http', 'polling', { ...sid }, 'http://localhost/engine.io?sid=one'],
    ['http, the default port', 'polling', { ...sid, port: 80 }, 'http://localhost/engine.io?sid=one'],
    ['http, another port', 'polling', { ...sid, port: 3000 }, 'http://localhost:3000/engine.io?sid=one'],
    ['https, the default port', 'polling', { ...sid, secure: true, port: 443 }, 'https://localhost/engine.io?sid=one'],
    ['https, the default port as text', 'polling', { ...sid, secure: true, port: '443' }, 'https://localhost/engine.io?sid=one'],
    ['https, another port', 'polling', { ...sid, secure: true, port: 8443 }, 'https://localhost:8443/engine.io?sid=one'],
    ['http, IPv6', 'polling', { hostname: '::1', port: 80 }, 'http://[::1]/engine.io'],
    ['http, IPv6, another port', 'polling', { hostname: '::1', port: 8080 }, 'http://[::1]:8080/engine.io'],
    ['ws', 'websocket', { hostname: 'test', query: { transport: 'websocket' } }, 'ws://test/engine.io?transport=websocket'],
    ['wss', 'websocket', { hostname: 'test', secure: true, query: {} }, 'wss://test/engine.io'],
    ['ws, IPv6', 'websocket', { hostname: '::1', port: 80 }, 'ws://[::1]/engine.io'],
    ['ws, IPv6, another port', 'websocket', { hostname: '::1', port: 8080 }, 'ws://[::1]:8080/engine.io'],
  ]) {
    test(title, () => assert.equal(uri(name, options), want));
  }

  test('http with a timestamp', () => {
    assert.match(uri('polling', { timestampParam: 't', timestampRequests: true }), /^http:\/\/localhost\/engine\.io\?t=[\w-]+$/);
  });

  test('ws with a timestamp', () => {
    assert.match(uri('websocket', { timestampParam: 'mine', timestampRequests: true }), /^ws:\/\/localhost\/engine\.io\?mine=[\w-]+$/);
  });
});

describe('options', atOnce, () => {
  const headers = { 'X-Mine': 'token', Cookie: 'session=abc; theme=dark' };

  for (const name of ['websocket', 'polling']) {
    beside(`an agent: ${name}`, async () => {
      const request = await new Promise((resolve) => {
        const agent = { addRequest: (one) => resolve(one) };
        new transports[name]({ path: '/engine.io', hostname: 'localhost', agent, socket: {} }).doOpen();
      });
      assert.equal(request.method, 'GET');
    });

    beside(`headers: ${name}`, () => {
      const { opts } = new transports[name]({ path: '/engine.io', hostname: 'localhost', extraHeaders: headers });
      assert.equal(opts.extraHeaders, headers);
    });
  }

  beside('headers of one transport', () => {
    const { transport } = dial({ transportOptions: { polling: { extraHeaders: headers } } });
    assert.equal(transport.name, 'polling');
    assert.equal(transport.opts.extraHeaders, headers);
  });

  /** Whether a message of two characters is sent compressed. */
  async function compressed(options) {
    const socket = dial({ transports: ['websocket'], ...options });
    await once(socket, 'open');
    const { ws } = socket.transport;
    const send = ws.send.bind(ws);
    const asked = new Promise((resolve) => {
      ws.send = (data, how, done) => {
        resolve(how.compress);
        send(data, how, done);
      };
    });
    socket.send('hi', { compress: true });
    assert.deepEqual(await once(socket, 'message'), ['hi']);
    return asked;
  }

  beside('every message is compressed', async () => {
    assert.equal(await compressed({ perMessageDeflate: { threshold: 0 } }), true);
  });

  beside('a short message is not compressed', async () => assert.equal(await compressed({}), false));
});
