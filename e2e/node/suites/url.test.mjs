// What the suite "url" of socket.io-client checks: docs/reference-suites.md has its titles. It needs no server.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { test } from '../wire.mjs';
import { ofSocketIO } from './engineio.mjs';

const { url } = ofSocketIO('url.js');

/** The address of a page, as a browser has it. */
const page = (protocol, hostname, port) => ({ protocol, hostname, port, host: port ? `${hostname}:${port}` : hostname });
const secure = page('https:', 'chat.example', '4005');
const plain = page('http:', 'chat.example', '');

function assertURL(parsed, want) {
  assert.deepEqual(Object.fromEntries(Object.keys(want).map((key) => [key, parsed[key]])), want);
}

describe('address of the server', () => {
  test('is that of the page where none is given', () => {
    assertURL(url(undefined, undefined, secure), { protocol: 'https', host: 'chat.example', port: '4005' });
  });

  test('is that of the page for a path', () => {
    assertURL(url('/test', undefined, secure), { protocol: 'https', host: 'chat.example', port: '4005' });
  });

  test('has the protocol of the page where it has none', () => {
    assertURL(url('localhost:3000', undefined, plain), { protocol: 'http', host: 'localhost', port: '3000' });
  });

  test('may begin with two slashes', () => {
    assertURL(url('//localhost:3000', undefined, plain), { protocol: 'http', host: 'localhost', port: '3000' });
  });

  test('has one id, with the port and the path', () => {
    const id = (...args) => url(...args).id;
    assert.equal(id('http://a.example:80/'), id('http://a.example/'));
    assert.notEqual(id('http://a.example/'), id('https://a.example/'));
    assert.notEqual(id('http://a.example/'), id('http://a.example/', '/test'));
  });

  test('ends with the namespace', () => {
    assert.equal(url('/room', undefined, plain).path, '/room');
    assert.equal(url('http://a.example').path, '/');
    assert.equal(url('http://a.example/').path, '/');
  });

  test('may be one of IPv6', () => {
    assertURL(url('http://[::1]'), { protocol: 'http', host: '::1', port: '80', id: 'http://[::1]:80' });
  });

  test('may be that of a page of IPv6', () => {
    assertURL(url(undefined, undefined, page('http:', '[::1]', '')), { protocol: 'http', host: '::1', port: '80', id: 'http://[::1]:80' });
  });

  test('keeps the path apart from the namespace', () => {
    assertURL(url('https://a.example/room', '/live'), { id: 'https://a.example:443/live', path: '/room' });
  });
});
