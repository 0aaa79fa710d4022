// What the suite "connection" of socket.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites".

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocketServer } from 'ws';
import { beside, connect, connected, ended, manager, once, quiet, start, unreachable, until } from '../clients.mjs';
import { textOnly } from '../wire.mjs';
import { atOnce } from './suite.mjs';

/** A client that shares its connection with others of its address, as clients do that are told nothing else. */
const shared = (where, options) => start({ forceNew: false, ...options }, where);

/** How long to wait for what must not come. */
const meanwhile = 250;

/** No answer of a server is in time. */
const tooEarly = { timeout: 0, reconnectionDelay: 10, randomizationFactor: 0 };

describe('connection', atOnce, () => {
  beside('an event goes there and comes back', async () => {
    const socket = start();
    socket.emit('hi');
    assert.deepEqual(await once(socket, 'hi'), []);
  });

  beside('autoConnect false: nothing is opened', async () => {
    const socket = start({ autoConnect: false });
    assert.equal(socket.io.engine, undefined);
    await quiet(socket, 'connect', meanwhile);
    assert.equal(socket.io.engine, undefined);
  });

  beside('the server asks, and gets what the client acknowledges with', async () => {
    const socket = start();
    socket.emit('ack');
    const [answer] = await once(socket, 'ack');
    answer(5, { test: true });
    await once(socket, 'got it');
  });

  beside('a date in an acknowledgement is text', async () => {
    assertDate(await start().emitWithAck('getAckDate', { test: true }));
  });

  beside('false is an argument', async () => {
    const socket = start();
    socket.emit('false');
    assert.deepEqual(await once(socket, 'false'), [false]);
  });

  beside('characters of every length', async () => {
    const socket = start();
    const got = [];
    socket.on('takeUtf8', (text) => got.push(text));
    socket.emit('getUtf8');
    await until(() => got.length >= 5, () => `got ${got}`);
    assert.deepEqual(got, ['plain', 'Grüße, Ærø', 'ἀγορά и борщ', '漢字かな交じり', 'e\u0301 \u2014 \u{1F9ED}']);
  });

  beside('a date is text', async () => {
    const socket = start();
    socket.emit('getDate');
    assertDate((await once(socket, 'takeDate'))[0]);
  });

  beside('a date in an object is text', async () => {
    const socket = start();
    socket.emit('getDateObj');
    const [{ date, ...rest }] = await once(socket, 'takeDateObj');
    assertDate(date);
    assert.deepEqual(rest, {});
  });
});

describe('clients of one address', () => { // which know of each other: one after the other
  beside('one namespace twice: two connections', async () => {
    await assertApart(shared({ namespace: '/' }), shared({ namespace: '/' }));
  });

  beside('one namespace with another query: two connections', async () => {
    await assertApart(shared({ namespace: '/?one' }), shared({ namespace: '/' }));
  });

  beside('another path: another connection', async () => {
    const there = shared({ namespace: '/' }, { path: '/socket.io' });
    const nowhere = shared({ namespace: '/' }, { path: '/elsewhere' });
    assert.notEqual(there.io, nowhere.io);
    await Promise.all([once(there, 'connect'), once(nowhere, 'connect_error')]);
  });

  beside('several namespaces: one connection', async () => {
    const [foo, asd] = [shared({ namespace: '/foo' }), shared({ namespace: '/asd' })];
    assert.equal(foo.io, asd.io);
    await Promise.all([connected(foo), connected(asd)]);
    assert.notEqual(foo.id, asd.id);
  });
});

async function assertApart(one, two) {
  assert.notEqual(one.io, two.io);
  await Promise.all([connected(one), connected(two)]);
  assert.notEqual(one.io.engine.id, two.io.engine.id);
  assert.notEqual(one.id, two.id);
}

function assertDate(text) {
  assert.equal(typeof text, 'string');
  assert.ok(Math.abs(Date.now() - new Date(text)) < 60_000, text);
}

describe('namespaces over one connection', atOnce, () => {
  beside('one is joined when another is there', async () => {
    const one = manager();
    const main = await connected(one.socket('/'));
    const foo = await connected(one.socket('/foo'));
    assert.ok(main.connected && foo.connected);
  });

  beside('one is joined when the connection has been closed', async () => {
    const one = manager();
    const main = await connected(one.socket('/'));
    const first = one.engine.id;
    const left = once(main, 'disconnect');
    main.disconnect();
    await left;
    await connected(one.socket('/foo'));
    assert.notEqual(one.engine.id, first);
  });

  beside('one is joined while another is left', async () => {
    const one = manager();
    const foo = await connected(one.socket('/foo'));
    const asd = one.socket('/asd');
    foo.disconnect();
    await connected(asd);
  });

  beside('the connection closes when the last one is left', async () => {
    const one = manager({ autoConnect: false });
    const [foo, asd] = [one.socket('/foo'), one.socket('/asd')];
    foo.connect();
    await connected(foo);
    asd.connect();
    await connected(asd);
    foo.disconnect();
    await quiet(asd, 'disconnect', meanwhile);
    const closed = once(one, 'close');
    asd.disconnect();
    await closed;
  });

  beside('one that was left is opened again', async () => {
    const one = manager({ autoConnect: true });
    const socket = await connected(one.socket('/'));
    const left = once(socket, 'disconnect');
    socket.disconnect();
    await left;
    assert.equal(one.socket('/'), socket);
    assert.ok(socket.active);
    await once(socket, 'connect');
  });

  beside('one that is active is not joined again', async () => {
    const one = manager({ autoConnect: true });
    const sent = sentBy(one);
    await once(one, 'open');
    const socket = one.socket('/');
    assert.equal(one.socket('/'), socket);
    await once(socket, 'connect');
    socket.disconnect();
    assert.deepEqual(sent, ['0', '1']);
  });

  beside('each is joined and left once', async () => {
    const one = manager({ autoConnect: true });
    const sent = sentBy(one);
    await once(one, 'open');
    const [main, foo] = [one.socket('/'), one.socket('/foo')];
    await Promise.all([connected(main), connected(foo)]);
    main.disconnect();
    foo.disconnect();
    assert.deepEqual(sent, ['0', '0/foo,', '1', '1/foo,']);
  });
});

/** What a manager's clients send, from now on. */
function sentBy(one) {
  const sent = [];
  one.engine.on('packetCreate', ({ type, data }) => { if (type === 'message') sent.push(data); });
  return sent;
}

describe('reconnection', atOnce, () => {
  beside('a lost connection comes back by itself', async () => {
    const socket = await connect({ reconnectionDelay: 10 });
    const { id } = socket;
    await loseAndReturn(socket);
    assert.notEqual(socket.id, id);
  });

  beside('one that was left comes back when told to', async () => {
    const socket = await connect();
    await leave(socket);
    socket.connect();
    await once(socket, 'connect');
  });

  beside('one that came back when told to comes back by itself', async () => {
    const socket = await connect({ reconnectionDelay: 10 });
    await leave(socket);
    socket.connect();
    await once(socket, 'connect');
    await loseAndReturn(socket);
  });

  beside('when all attempts have failed there may be more', async () => {
    const one = manager({ ...tooEarly, reconnectionAttempts: 2 });
    const socket = one.socket('/timeout');
    await once(one, 'reconnect_failed');
    const attempts = attemptsOf(one);
    socket.connect();
    await once(one, 'reconnect_failed');
    assert.deepEqual(attempts, [1, 2]);
  });

  beside('each attempt waits longer', async () => {
    const one = manager({ ...tooEarly, reconnectionAttempts: 3, reconnectionDelay: 200, randomizationFactor: 0.2 });
    const delays = [];
    let failed;
    one.on('error', () => { failed = performance.now(); });
    one.on('reconnect_attempt', () => delays.push(performance.now() - failed));
    one.socket('/timeout');
    await once(one, 'reconnect_failed');
    assert.equal(delays.length, 3);
    assert.deepEqual(delays, [...delays].sort((a, b) => a - b));
  });

  beside('none after a client that failed has been closed', async () => {
    const socket = start({ ...tooEarly }, { namespace: '/invalid' });
    await once(socket.io, 'error');
    socket.disconnect();
    await quiet(socket.io, 'reconnect_attempt', meanwhile);
  });

  beside('no more after a client that tries has been closed', async () => {
    const socket = start({ ...tooEarly }, { namespace: '/invalid' });
    await once(socket.io, 'reconnect_attempt');
    socket.disconnect();
    await quiet(socket.io, 'reconnect_attempt', meanwhile);
  });

  beside('again after a client that tried has been closed and opened', async () => {
    const socket = start({ ...tooEarly }, { namespace: '/invalid' });
    await once(socket.io, 'reconnect_attempt');
    socket.disconnect();
    socket.connect();
    await once(socket.io, 'reconnect_attempt');
  });

  beside('for those namespaces that were not left', async () => {
    const one = manager({ reconnectionDelay: 10 });
    const [left, kept] = [one.socket('/'), one.socket('/asd')];
    await Promise.all([connected(left), connected(kept)]);
    one.once('reconnect_attempt', () => left.disconnect());
    one.engine.close();
    await once(kept, 'connect');
    await quiet(left, 'connect', meanwhile);
  });

  beside('as often as asked for, if each attempt takes too long', async () => {
    const one = manager({ ...tooEarly, reconnectionAttempts: 2 });
    const attempts = attemptsOf(one);
    one.socket('/timeout');
    await once(one, 'reconnect_failed');
    assert.equal(attempts.length, 2);
  });

  beside('the manager tells of attempts, errors and the end', async () => {
    const one = manager({ ...tooEarly, reconnectionAttempts: 2 });
    const told = [];
    for (const event of ['reconnect_attempt', 'reconnect_error', 'reconnect_failed', 'reconnect']) {
      one.on(event, () => told.push(event));
    }
    one.socket('/timeout_socket');
    await once(one, 'reconnect_failed');
    assert.deepEqual(told, ['reconnect_attempt', 'reconnect_error', 'reconnect_attempt', 'reconnect_failed', 'reconnect_error']);
  });

  beside('the manager numbers the attempts', async () => {
    const one = manager({ ...tooEarly, reconnectionAttempts: 2 });
    const attempts = attemptsOf(one);
    one.socket('/timeout_socket');
    await once(one, 'reconnect_failed');
    assert.deepEqual(attempts, [1, 2]);
  });

  beside('none where the first connection succeeds', async () => {
    const one = manager({ reconnectionDelay: 10 });
    const attempts = attemptsOf(one);
    await connected(one.socket('/valid'));
    await sleep(meanwhile);
    assert.deepEqual(attempts, []);
  });

  beside('stops when switched off', async () => {
    const one = manager({ reconnectionDelay: 10 }, await unreachable());
    await once(one, 'reconnect_error');
    one.reconnection(false);
    await quiet(one, 'reconnect_attempt', meanwhile);
  });

  beside('as often as asked for, if there is no server', async () => {
    const one = manager({ reconnectionAttempts: 2, reconnectionDelay: 10 }, await unreachable());
    const attempts = attemptsOf(one);
    one.socket('/asd');
    await once(one, 'reconnect_failed');
    assert.equal(attempts.length, 2);
  });

  beside('none where it is switched off and there is no server', async () => {
    const one = manager({ reconnection: false, reconnectionDelay: 10 }, await unreachable());
    one.socket('/invalid');
    const attempts = attemptsOf(one);
    await once(one, 'error');
    await sleep(meanwhile);
    assert.deepEqual(attempts, []);
  });

  beside('as often as asked for, though another namespace is asked for meanwhile', async () => {
    const one = manager({ reconnectionAttempts: 2, reconnectionDelay: 20 }, await unreachable());
    const attempts = attemptsOf(one);
    one.socket('/room1');
    setTimeout(() => one.socket('/room2'), 10);
    await once(one, 'reconnect_failed');
    assert.equal(attempts.length, 2);
  });

  beside('after what cannot be decoded, with another engine', async () => {
    const one = manager({ autoConnect: true });
    const first = one.engine;
    await once(one, 'open');
    await sleep(10);
    first.emit('data', 'no packet');
    await once(one, 'reconnect');
    assert.notEqual(one.engine, first);
    await until(() => first.readyState === 'closed', () => `the first engine is ${first.readyState}`);
  });
});

function attemptsOf(one) {
  const attempts = [];
  one.on('reconnect_attempt', (attempt) => attempts.push(attempt));
  return attempts;
}

async function leave(socket) {
  const left = once(socket, 'disconnect');
  socket.disconnect();
  await left;
}

async function loseAndReturn(socket) {
  const back = once(socket.io, 'reconnect');
  socket.io.engine.close();
  await back;
  await connected(socket);
}

describe('timers of the program', atOnce, () => {
  const delay = 77;
  const options = { reconnectionDelayMax: delay, reconnectionDelay: delay, randomizationFactor: 0 };

  beside('are taken where the program has replaced those of the platform', async () => {
    const { one, fire } = withHeldTimers(delay, options);
    await connected(one.socket('/foo'));
    one.engine.close();
    await quiet(one, 'reconnect_attempt', meanwhile);
    const attempt = once(one, 'reconnect_attempt');
    fire();
    await attempt;
  });

  beside('are not taken with useNativeTimers', async () => {
    const { one } = withHeldTimers(delay, { ...options, useNativeTimers: true });
    await connected(one.socket('/foo'));
    one.engine.close();
    await once(one, 'reconnect_attempt');
  });
});

/** A manager of a program in which timers of one delay wait until fire() is called. */
function withHeldTimers(delay, options) {
  const held = [];
  const { setTimeout: real } = globalThis;
  globalThis.setTimeout = (act, time, ...args) => (time === delay ? held.push(act) : real(act, time, ...args));
  try {
    return { one: manager(options), fire: () => held.splice(0).forEach((act) => act()) };
  } finally {
    globalThis.setTimeout = real;
  }
}

describe('binary data', atOnce, () => {
  beside('is received as an ArrayBuffer', async () => {
    const socket = start({ forceBase64: textOnly });
    socket.io.engine.binaryType = 'arraybuffer';
    socket.emit('doge');
    const [data] = await once(socket, 'doge');
    assert.ok(data instanceof ArrayBuffer);
    assert.equal(Buffer.from(data).toString(), 'asdfasdf');
  });

  beside('is sent as an ArrayBuffer', async () => {
    const socket = start({ forceBase64: textOnly });
    socket.emit('buffa', Uint8Array.of(1, 2, 250).buffer);
    await once(socket, 'buffack');
  });

  beside('is sent between texts', async () => {
    const socket = start({ forceBase64: textOnly });
    socket.emit('jsonbuff', { hello: 'lol', message: Uint8Array.of(0, 255).buffer, goodbye: 'gotcha' });
    await once(socket, 'jsonbuff-ack');
  });

  beside('keeps its place among events', async () => {
    const socket = start({ forceBase64: textOnly });
    socket.emit('abuff1', Uint8Array.of(7).buffer);
    socket.emit('abuff2', 'second');
    await once(socket, 'abuff2-ack');
  });
});

describe('a server of Socket.IO 2', atOnce, () => {
  beside('is a connect_error', async () => {
    const socket = start({ transports: ['websocket'], reconnection: false }, { url: await secondVersion() });
    const [error] = await once(socket, 'connect_error');
    assert.match(error.message, /v2/);
  });
});

/** A server that joins every client to the namespace without an id, as those of version 2 did. */
async function secondVersion() {
  const server = ended(new WebSocketServer({ port: 0, host: '127.0.0.1' }), (one) => one.close());
  server.on('connection', (ws) => {
    ws.send('0{"sid":"two","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}');
    ws.on('message', () => ws.send('40'));
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${server.address().port}`;
}
