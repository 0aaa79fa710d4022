// What the suites "engine.io-client" and "parseuri" of engine.io-client check: docs/reference-suites.md has their titles.
// It needs no server.

import assert from 'node:assert/strict';
import { after, before, describe } from 'node:test';
import { test } from '../wire.mjs';
import { engineIO, ofEngineIO } from './engineio.mjs';

const { Socket, parse, protocol } = engineIO;

describe('a client', () => {
  const { _open } = Socket.prototype;
  before(() => { Socket.prototype._open = () => {}; }); // they go nowhere
  after(() => { Socket.prototype._open = _open; });

  test('speaks a version that is a number', () => assert.equal(protocol, 4));

  for (const [title, where, hostname, port] of [
    ['http, no port', 'http://localhost', 'localhost', '80'],
    ['https, no port', 'https://localhost', 'localhost', '443'],
    ['wss, no port', 'wss://localhost', 'localhost', '443'],
    ['wss, a port', 'wss://localhost:2020', 'localhost', '2020'],
    ['a host, no port', { host: 'localhost' }, 'localhost', '80'],
    ['a host, a port', { host: 'localhost', port: '8080' }, 'localhost', '8080'],
    ['IPv6, no port', 'http://[::1]', '::1', '80'],
    ['IPv6, a port', 'http://[::1]:8080', '::1', '8080'],
    ['a host of IPv6, no port', { host: '[::1]' }, '::1', '80'],
    ['a secure host of IPv6, no port', { host: '[::1]', secure: true }, '::1', '443'],
    ['a host of IPv6, a port', { host: '[::1]', port: '8080' }, '::1', '8080'],
    ['a host of IPv6 without brackets', { host: '::1' }, '::1', '80'],
  ]) {
    test(`goes to ${title}`, () => {
      const client = new Socket(where);
      assert.deepEqual([client.hostname, client.port], [hostname, port]);
    });
  }

  test('ends its path with a slash, or not', () => {
    const path = (options) => new Socket({ host: 'localhost', ...options }).opts.path;
    assert.equal(path({}), '/engine.io/');
    assert.equal(path({ addTrailingSlash: false }), '/engine.io');
  });

  test('marks requests with texts that do not come again', () => {
    const { randomString } = ofEngineIO('util.js');
    const texts = Array.from({ length: 3 }, randomString);
    for (const text of texts) assert.equal(text.length, 8);
    assert.equal(new Set(texts).size, texts.length);
  });
});

describe('an address', () => {
  test('is taken apart', () => {
    for (const [address, want] of Object.entries({
      'http://a.example': { protocol: 'http', host: 'a.example', port: '' },
      'https://www.a.example:80': { protocol: 'https', host: 'www.a.example', port: '80' },
      'localhost:8080': { protocol: '', host: 'localhost', port: '8080' },
      'a.example:8080/one/two?three=four': {
        port: '8080', path: '/one/two', query: 'three=four', relative: '/one/two?three=four', pathNames: ['one', 'two'],
        queryKey: { three: 'four' },
      },
      '/one?two=@a.example': { host: '', path: '/one', query: 'two=@a.example' },
      'ws://me:secret@a.example': { protocol: 'ws', userInfo: 'me:secret', user: 'me', password: 'secret', host: 'a.example' },
      '2001:0db8:85a3:0042:1000:8a2e:0370:7334': { protocol: '', host: '2001:0db8:85a3:0042:1000:8a2e:0370:7334', port: '' },
      '2001:db8:85a3:42:1000:8a2e:370:7334:80': { protocol: '', host: '2001:db8:85a3:42:1000:8a2e:370:7334', port: '80' },
      '2001::7334:a:80': { protocol: '', host: '2001::7334:a:80', port: '' },
      'http://[2001::7334:a]:80/one?two=three': { protocol: 'http', host: '2001::7334:a', port: '80', relative: '/one?two=three' },
    })) {
      const parsed = parse(address);
      assert.deepEqual(Object.fromEntries(Object.keys(want).map((key) => [key, parsed[key]])), want, address);
    }
    assert.throws(() => parse('a'.repeat(8001)), (error) => /URI too long/.test(error));
  });
});
