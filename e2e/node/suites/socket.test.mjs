// What the suite "socket" of socket.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites".

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { beside, connect, connected, once, quiet, start, unreachable, until } from '../clients.mjs';
import { atOnce } from './suite.mjs';

/** How long to wait for what must not come. */
const meanwhile = 250;

/** An acknowledgement that does not come is missed after this time, one that comes is in time with the other. */
const [short, long] = [50, 10_000];

const foo = { namespace: '/foo' };
const abc = { namespace: '/abc' };
const no = { namespace: '/no' };

describe('id', atOnce, () => {
  for (const [name, where] of [['the main namespace', {}], ['another namespace', foo]]) {
    beside(`is that of the server, in ${name}`, async () => {
      const socket = start({}, where);
      const id = await socket.emitWithAck('getId');
      assert.ok(id);
      assert.equal(socket.id, id);
      assert.notEqual(socket.io.engine.id, id);
    });
  }

  beside('is gone after the disconnection', async () => {
    const socket = await connect();
    const left = once(socket, 'disconnect');
    socket.disconnect();
    await left;
    assert.equal(socket.id, undefined);
  });

  beside('is another one after a reconnection', async () => {
    const socket = await connect({ reconnectionDelay: 10 });
    const { id } = socket;
    socket.io.once('reconnect_attempt', () => assert.equal(socket.id, undefined));
    const back = once(socket.io, 'reconnect');
    socket.io.engine.close();
    await back;
    await connected(socket);
    assert.ok(socket.id);
    assert.notEqual(socket.id, id);
  });
});

describe('connecting', atOnce, () => {
  beside('no error where it is broken off', async () => {
    const socket = start({ timeout: 100 });
    socket.disconnect();
    await quiet(socket.io, 'error', 3 * 100);
  });

  beside('connect_error where there is no server', async () => {
    const socket = start({ timeout: 100 }, { url: await unreachable() });
    const [error] = await once(socket, 'connect_error');
    assert.ok(error instanceof Error);
  });

  for (const transport of ['polling', 'websocket']) {
    beside(`connect_error where it takes too long: ${transport}`, async () => {
      const [error] = await once(start({ transports: [transport], timeout: 0 }), 'connect_error');
      assert.equal(error.message, 'timeout');
    });
  }

  beside('no connect_error where an open connection is lost', async () => {
    const socket = await connect();
    socket.io.engine.close();
    await quiet(socket, 'connect_error', meanwhile);
  });

  beside('connect_error where the namespace refuses', async () => {
    const [error] = await once(start({}, no), 'connect_error');
    assert.ok(error instanceof Error);
    assert.equal(error.message, 'Auth failed (custom namespace)');
  });

  beside('a namespace that has refused is not asked again', async () => {
    const socket = start({ reconnectionDelay: 10 }, no);
    await once(socket, 'connect_error');
    socket.io.engine.close();
    await quiet(socket, 'connect_error', meanwhile);
  });

  beside('left and joined in one tick', async () => {
    const socket = await connect({ transports: ['websocket'] });
    let left = 0;
    socket.on('disconnect', () => left++);
    socket.disconnect().connect();
    await connected(socket);
    await sleep(meanwhile);
    assert.equal(left, 1);
    assert.ok(socket.connected);
  });
});

describe('what the server learns', atOnce, () => {
  const main = async (options, namespace = '/') => start(options, { namespace }).emitWithAck('getHandshake');
  const other = async (options, query = '') => (await once(start(options, { namespace: `/abc${query}` }), 'handshake'))[0];

  beside('a query, in the main namespace', async () => {
    assert.equal((await main({ query: { e: 'f' } })).query.e, 'f');
  });

  beside('a query in the address, in the main namespace', async () => {
    assert.equal((await main({}, '/?c=d')).query.c, 'd');
  });

  beside('a query, in another namespace', async () => {
    assert.equal((await other({ query: { a: 'b' } })).query.a, 'b');
  });

  beside('a query in the address, in another namespace', async () => {
    const { query } = await other({}, '?b=c&d=e');
    assert.deepEqual([query.b, query.d], ['c', 'e']);
  });

  beside('a query of characters that have to be escaped', async () => {
    assert.equal((await other({ query: { '&a': '&=?a' } })).query['&a'], '&=?a');
  });

  beside('auth, which is no part of the query', async () => {
    const { auth, query } = await other({ auth: { a: 'b', c: 'd' } });
    assert.deepEqual(auth, { a: 'b', c: 'd' });
    assert.ok(!('a' in query));
  });

  beside('auth that a function gives', async () => {
    const { auth, query } = await other({ auth: (give) => give({ e: 'f' }) });
    assert.deepEqual(auth, { e: 'f' });
    assert.ok(!('e' in query));
  });
});

describe('emitting', atOnce, () => {
  for (const [compress, title] of [[true, 'asks for compression'], [false, 'asks for none where told so']]) {
    beside(title, async () => {
      const socket = await connect();
      const created = once(socket.io.engine, 'packetCreate');
      (compress ? socket : socket.compress(false)).emit('hi');
      assert.equal((await created)[0].options.compress, compress);
      await once(socket, 'hi');
    });
  }

  beside('a reserved name is refused', async () => {
    assert.throws(() => start({}, no).emit('disconnecting', 'goodbye'), /"disconnecting" is a reserved event name/);
  });

  beside('what was emitted before the connection goes first', async () => {
    const socket = start({ autoConnect: false });
    const answered = [];
    const second = new Promise((resolve) => {
      socket.on('connect', () => socket.emit('echo', 'second', (value) => resolve(answered.push(value))));
    });
    socket.emit('echo', 'first', (value) => answered.push(value));
    socket.connect();
    await second;
    assert.deepEqual(answered, ['first', 'second']);
  });

  beside('an acknowledgement can be awaited', async () => {
    assert.equal(await start().emitWithAck('echo', 123), 123);
  });

  beside('what is emitted on a connection that has expired waits for the next', async () => {
    const socket = await connect({ reconnectionDelay: 10 });
    const order = [];
    socket.io.once('reconnect', () => order.push('reconnected'));
    socket.io.engine._pingTimeoutTime = Date.now() - 1; // as after a laptop was asleep
    assert.equal(await socket.emitWithAck('echo', 'kept'), 'kept');
    assert.deepEqual(order, ['reconnected']);
  });
});

describe('volatile', atOnce, () => {
  /** Emits getId, volatile, and returns a list that gets its acknowledgement. */
  const emitVolatile = (socket) => {
    const got = [];
    socket.volatile.emit('getId', (id) => got.push(id));
    return got;
  };

  beside('is dropped while not connected', async () => {
    const socket = start({ autoConnect: false });
    const got = emitVolatile(socket);
    socket.connect();
    await socket.emitWithAck('getId');
    await sleep(meanwhile);
    assert.deepEqual(got, []);
  });

  beside('is dropped while the transport is busy', async () => {
    const socket = await connect();
    let got;
    const first = new Promise((resolve) => {
      socket.emit('getId', resolve);
      got = emitVolatile(socket);
    });
    assert.equal(await first, socket.id);
    await sleep(meanwhile);
    assert.deepEqual(got, []);
  });

  beside('is sent when the transport is ready', async () => {
    const socket = await connect();
    await until(() => socket.io.engine.transport.writable && !socket.io.engine.upgrading, 'the transport is busy');
    const got = emitVolatile(socket);
    await until(() => got.length > 0, 'no acknowledgement came');
    assert.deepEqual(got, [socket.id]);
  });
});

describe('listeners of every event', atOnce, () => {
  beside('are called', async () => {
    const [event, handshake] = await new Promise((resolve) => {
      start({}, abc).onAny((...args) => resolve(args));
    });
    assert.equal(event, 'handshake');
    assert.equal(typeof handshake, 'object');
  });

  beside('may be put first', async () => {
    const socket = start({}, abc);
    const order = [];
    socket.onAny(() => order.push('added'));
    socket.prependAny(() => order.push('put first'));
    socket.prependAny(() => order.push('put before it'));
    await once(socket, 'handshake');
    assert.deepEqual(order, ['put before it', 'put first', 'added']);
  });

  beside('may be taken away', async () => {
    const socket = start({}, abc);
    const order = [];
    const taken = () => order.push('taken away');
    socket.onAny(taken);
    socket.offAny(taken);
    assert.deepEqual(socket.listenersAny(), []);
    socket.onAny(() => order.push('left'));
    await once(socket, 'handshake');
    assert.deepEqual(order, ['left']);
  });
});

describe('listeners of every event that is emitted', atOnce, () => {
  for (const [title, arg] of [['are called', '123'], ['are called with binary data', Uint8Array.of(1, 2, 3)]]) {
    beside(title, async () => {
      const socket = await connect({}, abc);
      const told = new Promise((resolve) => { socket.onAnyOutgoing((...args) => resolve(args)); });
      socket.emit('my-event', arg);
      assert.deepEqual(await told, ['my-event', arg]);
    });
  }

  beside('may be put first', async () => {
    const socket = start({}, abc);
    const order = [];
    const told = new Promise((resolve) => { socket.onAnyOutgoing(() => resolve(order.push('added'))); });
    socket.prependAnyOutgoing(() => order.push('put first'));
    socket.prependAnyOutgoing(() => order.push('put before it'));
    socket.emit('my-event', '123');
    await told;
    assert.deepEqual(order, ['put before it', 'put first', 'added']);
  });

  beside('may be taken away', async () => {
    const socket = start({}, abc);
    const order = [];
    const taken = () => order.push('taken away');
    socket.onAnyOutgoing(taken);
    socket.offAnyOutgoing(taken);
    assert.deepEqual(socket.listenersAnyOutgoing(), []);
    const told = new Promise((resolve) => { socket.onAnyOutgoing(() => resolve(order.push('left'))); });
    socket.emit('my-event', '123');
    await told;
    assert.deepEqual(order, ['left']);
  });
});

/** What an acknowledgement with a callback gets: an error, or null, and what was acknowledged. */
const acknowledged = (socket, ...args) => new Promise((resolve) => { socket.emit(...args, (...got) => resolve(got)); });

describe('acknowledgements in time', atOnce, () => {
  beside('not while not connected: the event is dropped', async () => {
    const socket = start({ autoConnect: false });
    const [error] = await acknowledged(socket.timeout(short), 'event');
    assert.ok(error instanceof Error);
    assert.deepEqual(socket.sendBuffer, []);
  });

  beside('not if the server has no such event', async () => {
    const [error] = await acknowledged(start().timeout(short), 'unknown');
    assert.ok(error instanceof Error);
  });

  beside('one that comes too late is ignored', async () => {
    const socket = start();
    let called = 0;
    socket.timeout(0).emit('echo', 42, (error) => { called += error instanceof Error ? 1 : 100; });
    await socket.emitWithAck('echo', 'what came before has been answered');
    await sleep(short);
    assert.equal(called, 1);
  });

  beside('with the value', async () => {
    assert.deepEqual(await acknowledged(start().timeout(long), 'echo', 42), [null, 42]);
  });

  beside('a promise is rejected if the server has no such event', async () => {
    await assert.rejects(start().timeout(short).emitWithAck('unknown'), Error);
  });

  beside('a promise has the value', async () => {
    assert.equal(await start().timeout(long).emitWithAck('echo', 42), 42);
  });

  beside('the time may be set for a client', async () => {
    const [error] = await acknowledged(start({ ackTimeout: short }), 'unknown');
    assert.ok(error instanceof Error);
  });
});

describe('acknowledgements and a disconnection', atOnce, () => {
  const pending = (socket) => Object.keys(socket.acks).length;

  beside('one without a time is forgotten', async () => {
    const socket = await connect();
    let called = false;
    socket.emit('echo', 'a', () => { called = true; });
    socket.disconnect();
    assert.equal(pending(socket), 0);
    await sleep(meanwhile);
    assert.equal(called, false);
  });

  beside('one with a time is an error', async () => {
    const socket = await connect();
    const answer = acknowledged(socket.timeout(long), 'echo', 'a');
    socket.disconnect();
    assert.ok((await answer)[0] instanceof Error);
    assert.equal(pending(socket), 0);
  });

  beside('one with the time of its client is an error', async () => {
    const socket = await connect({ ackTimeout: long });
    const answer = acknowledged(socket, 'echo', 'a');
    socket.disconnect();
    assert.ok((await answer)[0] instanceof Error);
  });

  for (const [title, timed] of [['is rejected', (s) => s], ['with a time is rejected', (s) => s.timeout(long)]]) {
    beside(`a promise ${title}`, async () => {
      const socket = await connect();
      const answer = timed(socket).emitWithAck('echo', 'a');
      socket.disconnect();
      await assert.rejects(answer, Error);
    });
  }

  beside('one for what was not sent yet comes after the next connection', async () => {
    const socket = await connect();
    socket.disconnect();
    const answer = socket.emitWithAck('echo', 'a');
    await sleep(short);
    socket.connect();
    assert.equal(await answer, 'a');
  });
});
