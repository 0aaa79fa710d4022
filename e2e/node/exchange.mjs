// One side of a raw exchange with a server: what is asked and what comes back, written down so that two servers can be compared.

import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, inflateSync } from 'node:zlib';
import WebSocket from 'ws';

const RS = '\x1e';

/** How long something that must come may take, and how long nothing must come to be taken for nothing. */
const patience = 2_500;
export const quiet = Number(process.env.NONSTICK_QUIET ?? 150);

/** The headers that clients look at. */
const headersThatCount = [
  'content-type', 'content-encoding', 'cache-control', 'set-cookie', 'vary', 'sec-websocket-protocol',
  'access-control-allow-origin', 'access-control-allow-credentials', 'access-control-allow-methods', 'access-control-allow-headers',
];

let serial = 0;

/** Plays one exchange with one server; what happens is in .log. */
export class Peer {
  constructor(url) {
    this.url = new URL(url);
    this.path = '/engine.io/';
    this.log = [];
    this.names = new Map();
    this.sockets = [];
  }

  note(...what) {
    this.log.push(what.map((part) => (typeof part === 'string' ? part : JSON.stringify(part))).join(' '));
  }

  /** Ids differ between servers: each is written as the place where it was first seen. */
  plain(text) {
    let out = text.replace(/^(42|45\d-)(\d+)(\["question")/, (_, type, id, rest) => {
      this.asked = id; // our own answer needs it
      return `${type}ID${rest}`;
    });
    out = out.replace(/"sid":"([^"]+)"/g, (_, id) => {
      if (!this.names.has(id)) this.names.set(id, `id${this.names.size}`);
      return `"sid":"${this.names.get(id)}"`;
    });
    out = out.length > 300 ? `${out.slice(0, 200)}...${out.length}` : out;
    return JSON.stringify(out);
  }

  query(query) {
    const all = { EIO: '4', transport: 'polling', t: `x${serial++}`, ...query };
    const pairs = Object.entries(all).filter(([, value]) => value !== null && value !== undefined);
    return pairs.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join('&');
  }

  /** Sends a request and resolves with its answer, or with the error, or with nothing in time. */
  send(method, { query, body, headers, wait = patience, raw } = {}) {
    const { hostname, port } = this.url;
    return new Promise((resolve) => {
      const path = raw ?? `${this.path}?${this.query(query)}`;
      const all = body === undefined ? { ...headers } : { 'content-type': 'text/plain;charset=UTF-8', 'content-length': Buffer.byteLength(body), ...headers };
      const req = http.request({ hostname, port, method, path, headers: all, agent: false });
      const timer = setTimeout(() => { resolve({ error: 'no answer' }); req.destroy(); }, wait);
      const end = (answer) => { clearTimeout(timer); resolve(answer); };
      req.on('error', () => end({ error: 'cut' }));
      req.on('upgrade', (res, socket) => { socket.destroy(); end({ status: res.statusCode, headers: res.headers, text: '' }); });
      req.on('response', async (res) => {
        const parts = [];
        try {
          for await (const part of res) parts.push(part);
        } catch {
          return end({ error: 'cut in the answer' });
        }
        end({ status: res.statusCode, headers: res.headers, text: decoded(res.headers, Buffer.concat(parts)) });
      });
      req.end(body);
    });
  }

  write(what, answer) {
    if (answer.error) return this.note(what, answer.error);
    const headers = headersThatCount.filter((name) => answer.headers[name]).map((name) => `${name}: ${String(answer.headers[name]).toLowerCase().replaceAll(', ', ',')}`);
    this.note(what, answer.status, this.plain(answer.text), headers);
  }

  /** A request whose answer counts. */
  async request(method, options) {
    const answer = await this.send(method, options);
    this.write(method, answer);
    return answer;
  }

  /** Opens a session on polling. */
  async open() {
    const answer = await this.send('GET');
    this.sid = JSON.parse(answer.text.slice(1)).sid;
    this.names.set(this.sid, 'me');
    return this;
  }

  get(options) { return this.request('GET', { ...options, query: { sid: this.sid, ...options?.query } }); }
  post(body, options) { return this.request('POST', { ...options, body, query: { sid: this.sid, ...options?.query } }); }

  /** Parks a GET; awaiting the result writes its answer. */
  park(options) {
    const answer = this.send('GET', { ...options, query: { sid: this.sid } });
    const parked = sleep(60);
    return { ready: parked, end: async () => this.write('parked GET', await answer) };
  }

  /** Joins namespaces on polling and fetches what comes of it. */
  async join(...packets) {
    this.path = '/socket.io/';
    await this.open();
    for (const packet of packets.length > 0 ? packets : ['40']) await this.send('POST', { body: packet, query: { sid: this.sid } });
    await this.fetch(null);
    return this;
  }

  /** Fetches packets until a packet of our own question comes back; what came before is written, one line a packet. */
  async fetch(what = 'packet') {
    const seen = [];
    const marker = `/marker${serial++}`;
    const [question, reply] = this.path === '/socket.io/'
      ? [`40${marker},`, `44${marker},{"message":"Invalid namespace"}`] : [`4${marker}`, `4${marker}`];
    const asked = await this.send('POST', { body: question, query: { sid: this.sid } });
    if (asked.status !== 200) {
      if (what) this.note('session', asked.status ?? asked.error, asked.text ?? '');
      return seen;
    }
    for (let i = 0; i < 20; i++) {
      const answer = await this.send('GET', { query: { sid: this.sid } });
      if (answer.status !== 200) {
        if (what) this.note('session', answer.status ?? answer.error, answer.text ?? '');
        break;
      }
      const packets = answer.text.split(RS).filter((packet) => packet !== '6');
      const at = packets.indexOf(reply);
      for (const packet of at < 0 ? packets : packets.slice(0, at)) if (what) this.note(what, this.plain(packet));
      if (at >= 0) {
        if (what) this.note('session lives');
        break;
      }
      if (packets.includes('1')) break;
    }
    return seen;
  }

  /** Opens a WebSocket; the refusal, if there is one, is written. */
  async ws({ query, headers, protocols, wait = patience } = {}) {
    const target = new URL(this.path, this.url);
    target.protocol = 'ws:';
    target.search = this.query({ transport: 'websocket', t: null, ...query });
    const ws = new WebSocket(target, protocols ?? [], { headers, perMessageDeflate: false });
    const wire = new Wire(this, ws);
    this.sockets.push(ws);
    const opened = await new Promise((resolve) => {
      const timer = setTimeout(() => resolve('no answer'), wait);
      const end = (value) => { clearTimeout(timer); resolve(value); };
      ws.once('open', () => end(true));
      ws.once('error', () => end('refused'));
      ws.once('unexpected-response', async (_, res) => {
        const parts = [];
        try {
          for await (const part of res) parts.push(part);
        } catch { /* cut: what came is what counts */ }
        end(`refused ${res.statusCode} ${Buffer.concat(parts)}`);
      });
    });
    if (opened !== true) this.note('upgrade', opened);
    wire.opened = opened === true;
    return wire;
  }

  /** Opens a session on WebSocket. */
  async wsSession(path = this.path) {
    this.path = path;
    const wire = await this.ws();
    const first = await wire.next();
    this.sid = JSON.parse(first.slice(1)).sid;
    this.names.set(this.sid, 'me');
    if (path === '/socket.io/') {
      wire.ws.send('40');
      await wire.next();
      await wire.next();
    }
    return wire;
  }

  end() {
    for (const ws of this.sockets) ws.terminate();
  }
}

function decoded(headers, bytes) {
  switch (headers['content-encoding']) {
    case 'gzip': return gunzipSync(bytes).toString();
    case 'deflate': return inflateSync(bytes).toString();
    default: return bytes.toString();
  }
}

/** A WebSocket of a peer. */
class Wire {
  constructor(peer, ws) {
    Object.assign(this, { peer, ws, frames: [], closed: null, waiting: null });
    ws.on('error', () => {});
    ws.on('message', (data, binary) => this.came(binary ? `binary ${data.toString('base64')}` : data.toString()));
    ws.on('close', (code) => { this.closed = `closed ${code}`; this.wake(); });
  }

  came(frame) {
    this.frames.push(frame);
    this.wake();
  }

  wake() {
    this.waiting?.();
    this.waiting = null;
  }

  change(ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.waiting = () => { clearTimeout(timer); resolve(); };
    });
  }

  async next() {
    for (const end = Date.now() + patience; this.frames.length === 0 && !this.closed && Date.now() < end;) await this.change(end - Date.now());
    return this.frames.shift() ?? this.closed ?? 'nothing';
  }

  send(...frames) {
    for (const frame of frames) if (this.ws.readyState === WebSocket.OPEN) this.ws.send(frame);
  }

  /** Writes all that comes until nothing does. */
  async drain(ms = quiet) {
    for (;;) {
      while (this.frames.length > 0) this.peer.note('frame', this.peer.plain(this.frames.shift()));
      if (this.closed) return this.peer.note(this.closed);
      const before = this.frames.length;
      await this.change(ms);
      if (this.frames.length === before && !this.closed) return undefined;
    }
  }

  /** Writes all that comes before the answer to our own question, or the end. */
  async alive() {
    const socketIO = this.peer.path === '/socket.io/';
    const marker = `/marker${serial++}`;
    const reply = socketIO ? `44${marker},{"message":"Invalid namespace"}` : `4${marker}`;
    this.send(socketIO ? `40${marker},` : `4${marker}`);
    for (;;) {
      const frame = await this.next();
      if (frame === reply) return this.peer.note('session lives');
      this.peer.note(frame === this.closed || frame === 'nothing' ? frame : `frame ${this.peer.plain(frame)}`);
      if (frame === this.closed || frame === 'nothing') return undefined;
    }
  }
}
