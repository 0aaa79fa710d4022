// The official client, and a wire between it and the server that can be cut.

import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import net from 'node:net';
import { afterEach } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { io, Manager } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import { base, msgpack, ordered, test } from './wire.mjs';

/** The options that all clients have: the parser of the server. */
const common = msgpack ? { parser } : {};

/** The three ways in which a client reaches a server. */
export const modes = {
  polling: { transports: ['polling'] },
  websocket: { transports: ['websocket'] },
  upgrade: { transports: ['polling', 'websocket'] },
};

/** What the tests of a file left open; those that run beside each other have one each. */
const all = new Set();
const own = new AsyncLocalStorage();
const open = { add: (one) => (own.getStore() ?? all).add(one) };

async function end(left) {
  const each = [...left];
  left.clear();
  for (const one of each) await one.end();
}

/** Ends what a test left open. Call once in a test file whose tests run one after the other. */
export function cleanUp() {
  afterEach(() => end(all));
}

/** Registers a test that may run while others of its file do: what it opens is ended with it. */
export function beside(title, body) {
  test(title, () => own.run(new Set(), async () => {
    try {
      await body();
    } finally {
      await end(own.getStore());
    }
  }));
}

/** Has what a test made ended with it. */
export function ended(one, how) {
  open.add({ end: () => how(one) });
  return one;
}

/** Starts a client; it is ended after the test. */
export function start(options = {}, { url = base.origin, namespace = '' } = {}) {
  const socket = io(url + namespace, { forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 200, ...common, ...options });
  open.add({ end: () => socket.io._close?.() ?? socket.disconnect() });
  return socket;
}

/** A manager, for several namespaces over one connection; it is ended after the test. */
export function manager(options = {}, url = base.origin) {
  return ended(new Manager(url, { reconnectionDelay: 50, ...common, ...options }), (made) => made._close());
}

/** The arguments of the next event of that name; rejects after timeout milliseconds. */
export function once(emitter, event, timeout = 8_000) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no "${event}" in ${timeout} ms`)), timeout);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });
}

/** Fails if an event of that name comes within the time, in milliseconds. */
export async function quiet(emitter, event, time) {
  let came;
  const note = (...args) => { came = args; };
  emitter.on(event, note);
  await sleep(time);
  emitter.off(event, note);
  assert.equal(came, undefined, `"${event}" came`);
}

/** A URL of this machine at which no server listens. */
export async function unreachable() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.once('listening', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return `http://127.0.0.1:${port}`;
}

/** Starts a client and waits until it is connected. */
export async function connect(options, where) {
  const socket = start(options, where);
  await connected(socket);
  return socket;
}

/** Waits until a started client is connected, for timeout milliseconds at most. */
export async function connected(socket, timeout) {
  if (!socket.connected) await once(socket, 'connect', timeout);
  return socket;
}

/** Waits until the client's connection is a WebSocket and the upgrade is over. */
export async function upgraded(socket, timeout) {
  const { engine } = socket.io;
  if (engine.transport.name !== 'websocket') await once(engine, 'upgrade', timeout);
  assert.equal(engine.transport.name, 'websocket');
}

/** Connects in one of the modes; an upgrading client has upgraded when this returns. */
export async function connectIn(mode, options, where) {
  const socket = await connect({ ...modes[mode], ...options }, where);
  if (mode === 'upgrade') await upgraded(socket);
  return socket;
}

/** Waits until condition() is true; the message says what did not happen. */
export async function until(condition, message, timeout = 15_000) {
  const deadline = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > deadline) assert.fail(typeof message === 'function' ? message() : message);
    await sleep(10);
  }
}

/** Asserts that got is 0, 1, 2 ... count-1: everything once and in order. */
export function assertSequence(got, count, what) {
  const wrong = got.findIndex((value, index) => value !== index);
  assert.equal(wrong, -1, `${what}: at ${wrong} came ${got.slice(wrong, wrong + 5)}`);
  assert.equal(got.length, count, what);
}

/** Whether the server handles what a client sends in one of the modes in the order in which it was sent. */
export const keepsOrder = (mode) => ordered || mode === 'polling';

/** Asserts the same of what a client sent without waiting in between; everything once where the order may be another. */
export function assertSent(mode, got, count, what) {
  assertSequence(keepsOrder(mode) ? got : [...got].sort((a, b) => a - b), count, what);
}

/** A TCP relay in front of the server: cut() breaks every connection, freeze() swallows all bytes. */
export class Relay {
  #pairs = new Set();
  #frozen = false;
  #down = false;

  static async start() {
    const relay = new Relay();
    relay.server = net.createServer((client) => relay.#join(client));
    relay.server.listen(0, '127.0.0.1');
    await new Promise((resolve) => relay.server.once('listening', resolve));
    relay.url = `http://127.0.0.1:${relay.server.address().port}`;
    open.add({ end: () => relay.end() });
    return relay;
  }

  #join(client) {
    client.on('error', () => {});
    if (this.#down) return client.destroy();
    const upstream = net.connect(base.port, base.hostname);
    const pair = { client, upstream };
    this.#pairs.add(pair);
    const end = () => {
      client.destroy();
      upstream.destroy();
      this.#pairs.delete(pair);
    };
    for (const [from, to] of [[client, upstream], [upstream, client]]) {
      from.on('data', (bytes) => this.#frozen || to.write(bytes));
      from.on('end', () => this.#frozen || to.end());
      from.on('error', end);
      from.on('close', end);
    }
  }

  /** Breaks every connection, and for the next 100 ms those that come anew: a poll may be on its way. */
  async cut() {
    this.#down = true;
    for (const { client, upstream } of [...this.#pairs]) {
      client.resetAndDestroy();
      upstream.resetAndDestroy();
    }
    await sleep(100);
    this.#down = false;
  }

  freeze() {
    this.#frozen = true;
  }

  /** Lets bytes pass again, on new connections only. */
  thaw() {
    this.#frozen = false;
    this.cut();
  }

  async end() {
    await this.cut();
    return new Promise((resolve) => this.server.close(resolve));
  }
}
