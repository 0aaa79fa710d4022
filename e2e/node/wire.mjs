// The wire as a client sees it: raw HTTP requests and raw WebSocket frames, no Socket.IO library.
//
// The server under test is named by NONSTICK_URL. NONSTICK_REFERENCE=1 says that it is the JavaScript
// reference server: tests of what Nonstick does better than it are then left out (not skipped).

import http from 'node:http';
import assert from 'node:assert/strict';
import { after, test as nodeTest } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import binary from 'socket.io-msgpack-parser';
import * as text from 'socket.io-parser';
import WebSocket from 'ws';

export { sleep };

export const base = new URL(process.env.NONSTICK_URL ?? 'http://localhost:3000');
export const reference = process.env.NONSTICK_REFERENCE === '1';
// API Gateway takes text frames alone: binary data goes as "b" and base64, both ways.
export const textOnly = process.env.NONSTICK_FRAMES === 'text';
// With NONSTICK_INBOUND=concurrent the server handles the frames of one connection at once, in no order, as behind API
// Gateway. Tests then count what came in place of looking at its order.
export const ordered = process.env.NONSTICK_INBOUND !== 'concurrent';
/** A frame that API Gateway takes is 32 KB at most, a message to a client 128 KB. */
export const largeText = 'ä'.repeat(textOnly ? 15_000 : 50_000);
/** A binary message as it goes over a WebSocket. */
export const binaryFrame = (bytes) => (textOnly ? `b${Buffer.from(bytes).toString('base64')}` : Buffer.from(bytes));
export const heartbeat = { pingInterval: 300, pingTimeout: Number(process.env.NONSTICK_TEST_PING_TIMEOUT ?? 200) };
/** Whether the parser is that of socket.io-msgpack-parser. */
export const msgpack = process.env.NONSTICK_PARSER === 'msgpack';
export const engine = '/engine.io/';
export const socketIO = '/socket.io/';

/** RS separates the packets of one polling payload. */
export const RS = '\x1e';

/** How long a test waits for something that must come. Generous: a busy machine is not a failure. */
const patience = 5_000;

let requests = 0;

/** How long a test may take: one that waits for ever fails, and the next one runs. */
const longest = 30_000;

/** Registers a test. */
export function test(title, body) {
  nodeTest(title, { timeout: longest }, body);
}

/** Registers a test of behaviour that is deliberately better than the reference server's. */
export function better(title, body) {
  if (!reference) test(title, body);
}

/** A packet without attachments, written in text, as socket.io-msgpack-parser has it. */
function toMsgPack(packet) {
  if (packet[0] !== '4') return packet;
  const decoder = new text.Decoder();
  let bytes;
  decoder.on('decoded', (decoded) => { [bytes] = new binary.Encoder().encode(decoded); });
  decoder.add(packet.slice(1));
  return `b${bytes.toString('base64')}`;
}

/** The other way. */
function fromMsgPack(packet) {
  if (packet[0] !== 'b') return packet;
  const decoder = new binary.Decoder();
  let written;
  decoder.on('decoded', (decoded) => { [written] = new text.Encoder().encode(decoded); });
  decoder.add(Buffer.from(packet.slice(1), 'base64'));
  return `4${written}`;
}

/** Builds the query of a well-formed polling request; a value of null leaves its key out. */
function search(query) {
  const all = { EIO: '4', transport: 'polling', t: `e2e${requests++}`, ...query };
  const kept = Object.entries(all).filter(([, value]) => value !== null);
  return new URLSearchParams(kept).toString();
}

/**
 * Sends one HTTP request and reads the whole answer.
 * rawQuery replaces the generated query; signal aborts the request, which then rejects.
 */
export function request(method, path, { query, rawQuery, body, headers, signal } = {}) {
  return new Promise((resolve, reject) => {
    const target = `${path}?${rawQuery ?? search(query)}`;
    const req = http.request(base, { method, path: target, headers: headersFor(body, headers), signal, agent: false });
    req.on('error', reject);
    req.on('response', (res) => collect(res).then(resolve, reject));
    req.end(body);
  });
}

function headersFor(body, headers) {
  if (body === undefined) return { ...headers };
  return { 'content-type': 'text/plain;charset=UTF-8', 'content-length': Buffer.byteLength(body), ...headers };
}

async function collect(res) {
  const parts = [];
  for await (const part of res) parts.push(part);
  const bytes = Buffer.concat(parts);
  return { status: res.statusCode, headers: res.headers, bytes, text: bytes.toString('utf8') };
}

/** Starts a POST whose body is announced but not sent; write, end or destroy the returned request. */
export function startPost(session, length) {
  const path = `${session.path}?${search({ sid: session.sid })}`;
  const headers = { 'content-type': 'text/plain;charset=UTF-8', 'content-length': length };
  const req = http.request(base, { method: 'POST', path, headers, agent: false });
  const answer = new Promise((resolve, reject) => {
    req.on('error', reject);
    req.on('response', (res) => collect(res).then(resolve, reject));
  });
  answer.catch(() => {});
  return { req, answer };
}

/** Asserts an answer of the error catalogue: 400 with a JSON body of code and message. */
export function assertRefused(answer, code, message) {
  assert.equal(answer.status, 400);
  assert.match(answer.headers['content-type'], /^application\/json/);
  assert.deepEqual(JSON.parse(answer.text), { code, message });
}

export const refusals = {
  transport: [0, 'Transport unknown'],
  sid: [1, 'Session ID unknown'],
  method: [2, 'Bad handshake method'],
  request: [3, 'Bad request'],
  version: [5, 'Unsupported protocol version'],
};

/** A polling session, driven by hand. */
export class Polling {
  constructor(path, handshake) {
    this.path = path;
    this.handshake = handshake;
    this.sid = handshake.sid;
  }

  static async open(path, query = {}) {
    const answer = await request('GET', path, { query });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text[0], '0');
    return new Polling(path, JSON.parse(answer.text.slice(1)));
  }

  /** Opens a session and joins the main namespace of Socket.IO; drops what the app greets with. */
  static async connect(auth = '') {
    const session = await Polling.open(socketIO);
    await session.send(`40${auth}`);
    const seen = await session.packetsUntil((packet) => packet.startsWith('42["auth"'));
    assert.equal(seen[0].slice(0, 2), '40');
    session.socketID = JSON.parse(seen[0].slice(2)).sid;
    return session;
  }

  get(options = {}) {
    return request('GET', this.path, { ...options, query: { sid: this.sid, ...options.query } });
  }

  post(body, options = {}) {
    return request('POST', this.path, { ...options, body, query: { sid: this.sid, ...options.query } });
  }

  /** Posts a body and asserts that it was accepted. A packet of Socket.IO goes as the parser has it. */
  async send(body) {
    const answer = await this.post(msgpack ? toMsgPack(body) : body);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text, 'ok');
  }

  /** Polls once, asserts 200 and returns the packets. */
  async packets() {
    const answer = await this.get();
    assert.equal(answer.status, 200, answer.text);
    assert.notEqual(answer.text, '', 'an empty poll answer ends the session of the official client');
    const packets = answer.text.split(RS);
    return msgpack ? packets.map(fromMsgPack) : packets;
  }

  /** Polls, answering pings, until a packet satisfies done. Returns all packets but pings and noops. */
  async packetsUntil(done) {
    const seen = [];
    const deadline = Date.now() + patience;
    while (Date.now() < deadline) {
      const packets = await this.packets();
      if (packets.includes('2')) await this.send('3');
      seen.push(...packets.filter((packet) => packet !== '2' && packet !== '6'));
      if (seen.some(done)) return seen;
    }
    throw new Error(`packet did not come; seen: ${JSON.stringify(seen)}`);
  }

  /** Asserts that the session no longer exists. */
  async assertGone() {
    const answer = await this.get();
    assertRefused(answer, ...refusals.sid);
  }
}

/** Thrown when the server answers a WebSocket upgrade with an HTTP status. */
export class UpgradeRefused extends Error {
  constructor(status, headers, body) {
    super(`upgrade refused: ${status} ${body}`);
    Object.assign(this, { status, headers, body });
  }
}

const wires = new Set();

/** A test that failed leaves its WebSocket open, which would keep Node running. */
after(() => {
  for (const ws of wires) ws.terminate();
});

/** A WebSocket whose frames are kept until they are asked for. */
export class Wire {
  #frames = [];
  #waiting = [];
  #end = null;

  constructor(ws) {
    this.ws = ws;
    wires.add(ws);
    ws.on('message', (data, isBinary) => this.#arrived(isBinary ? data : data.toString('utf8')));
    ws.on('error', () => {});
    this.end = new Promise((resolve) => {
      ws.on('close', (code, reason) => {
        this.#end = { code, reason: reason.toString() };
        for (const waiter of this.#waiting.splice(0)) waiter.reject(new Error(`closed (${code}) instead of a frame`));
        resolve(this.#end);
      });
    });
  }

  /** Connects; query as in request, transport=websocket unless it says otherwise. */
  static open(path, { query, rawQuery, headers } = {}) {
    const target = new URL(path, base);
    target.protocol = 'ws:';
    target.search = rawQuery ?? search({ transport: 'websocket', t: null, ...query });
    const ws = new WebSocket(target, { headers, perMessageDeflate: false });
    const wire = new Wire(ws);
    return new Promise((resolve, reject) => {
      ws.once('open', () => resolve(wire));
      ws.once('error', reject);
      ws.once('unexpected-response', async (_req, res) => {
        const { status, headers: got, text } = await collect(res);
        reject(new UpgradeRefused(status, got, text));
      });
    });
  }

  /** Opens a WebSocket session; its handshake is in .handshake. */
  static async session(path) {
    const wire = await Wire.open(path);
    const first = await wire.next();
    assert.equal(first[0], '0');
    wire.handshake = JSON.parse(first.slice(1));
    wire.sid = wire.handshake.sid;
    return wire;
  }

  /** Opens a WebSocket session and joins the main namespace; drops what the app greets with. */
  static async connect() {
    const wire = await Wire.session(socketIO);
    wire.send('40');
    const answer = await wire.packet();
    assert.equal(answer.slice(0, 2), '40');
    wire.socketID = JSON.parse(answer.slice(2)).sid;
    assert.equal(await wire.packet(), '42["auth",{}]');
    return wire;
  }

  #arrived(frame) {
    if (msgpack) frame = fromMsgPack(typeof frame === 'string' ? frame : `b${frame.toString('base64')}`);
    const waiter = this.#waiting.shift();
    if (waiter) waiter.resolve(frame);
    else this.#frames.push(frame);
  }

  /** Sends a frame. A packet of Socket.IO goes as the parser has it. */
  send(frame) {
    this.ws.send(msgpack ? toMsgPack(frame) : frame);
  }

  /** The next frame, whatever it is. */
  next(timeout = patience) {
    if (this.#frames.length > 0) return Promise.resolve(this.#frames.shift());
    if (this.#end) return Promise.reject(new Error(`closed (${this.#end.code}) instead of a frame`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no frame in time')), timeout);
      const settle = (act) => (value) => { clearTimeout(timer); act(value); };
      this.#waiting.push({ resolve: settle(resolve), reject: settle(reject) });
    });
  }

  /** The next frame that is not a ping; pings are answered. */
  async packet() {
    for (;;) {
      const frame = await this.next();
      if (frame !== '2') return frame;
      this.send('3');
    }
  }

  /** Answers pings until the server closes; any other frame is collected in .extra. */
  async closedAnsweringPings(timeout = patience) {
    this.extra = [];
    const deadline = Date.now() + timeout;
    while (!this.#end && Date.now() < deadline) {
      const frame = await Promise.race([this.next(timeout).catch(() => null), this.end.then(() => null)]);
      if (frame === '2') this.send('3');
      else if (frame !== null) this.extra.push(frame);
    }
    return this.closed(100);
  }

  /** Waits until the server has closed; the code and reason of the close. */
  async closed(timeout = patience) {
    const late = sleep(timeout, null, { ref: false });
    const end = await Promise.race([this.end, late]);
    assert.ok(end, 'the WebSocket stayed open');
    return end;
  }

  get isOpen() {
    return this.ws.readyState === WebSocket.OPEN;
  }

  close() {
    this.ws.close();
  }
}

/** Upgrades a polling session by hand up to the answered probe. */
export async function probe(session) {
  const wire = await Wire.open(session.path, { query: { sid: session.sid } });
  wire.send('2probe');
  assert.equal(await wire.next(), '3probe');
  return wire;
}

/** Upgrades a polling session: probe, the released poll, then 5. */
export async function upgrade(session) {
  const wire = await probe(session);
  assert.equal(await pollReleased(session), '6');
  wire.send('5');
  return wire;
}

/** Polls once during a probe; a ping that was due is answered and does not count. */
export async function pollReleased(session) {
  for (;;) {
    const answer = await session.get();
    assert.equal(answer.status, 200, answer.text);
    if (answer.text !== '2') return answer.text;
    await session.send('3');
  }
}

/** Asserts that a WebSocket opens and is then closed by the server without a word. */
export async function assertOpensThenCloses(path, query) {
  const wire = await Wire.open(path, { query });
  await wire.closedAnsweringPings();
  assert.deepEqual(wire.extra, []);
}

/** Asserts that an upgrade is refused with 400 and the message as body. */
export async function assertUpgradeRefused(path, query, message) {
  await assert.rejects(Wire.open(path, { query }), (error) => {
    assert.ok(error instanceof UpgradeRefused, String(error));
    assert.equal(error.status, 400);
    assert.equal(error.body, message);
    return true;
  });
}
