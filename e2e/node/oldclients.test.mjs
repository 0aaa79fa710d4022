// Engine.IO v3, and JSONP, seen from the wire: what a server with allowEIO3 does. Everything is asked of the reference
// server first, so that the tests are those of what it does.
//
// The server runs the app "protocol" with --allow-eio3, a ping interval of 300 ms and a ping timeout of 200 ms or more.
// NONSTICK_STRICT is the URL of one without --allow-eio3, if there is one.

import assert from 'node:assert/strict';
import http from 'node:http';
import { createRequire } from 'node:module';
import { after, before, describe } from 'node:test';
import WebSocket from 'ws';
import { startReference } from './reference-server.mjs';
import { base, engine as path, heartbeat, sleep, socketIO, test, textOnly } from './wire.mjs';

const v2 = createRequire(import.meta.url)('socket.io-client-2-5');
const patience = 5_000;
/** ms after which a GET that was sent waits at the server: a function may have to start for it. */
const held = textOnly ? 300 : 50;
const untilTimeout = heartbeat.pingInterval + heartbeat.pingTimeout;
let reference;
let strict;
before(async () => {
  reference = await startReference({ ...heartbeat, allowEIO3: true });
  strict = await startReference(heartbeat);
});
after(() => {
  reference.stop();
  strict.stop();
});

describe('reference', () => {
  suite(() => reference.url, true);
  notAllowed(() => strict.url);
});
describe('Nonstick', () => {
  suite(() => base, !textOnly);
  const { NONSTICK_STRICT: without } = process.env;
  if (without) notAllowed(() => without);
});

let requests = 0;

/** One HTTP request of a client of version 3; null leaves a key of the query out. */
function request(url, method, query, { body, type = 'text/plain;charset=UTF-8', at = path } = {}) {
  const all = { EIO: '3', transport: 'polling', t: `old${requests++}`, ...query };
  const kept = new URLSearchParams(Object.entries(all).filter(([, value]) => value !== null));
  const headers = body === undefined ? {} : { 'content-type': type, 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const req = http.request(new URL(`${at}?${kept}`, url()), { method, headers, agent: false }, async (res) => {
      const parts = [];
      for await (const part of res) parts.push(part);
      const bytes = Buffer.concat(parts);
      resolve({ status: res.statusCode, type: res.headers['content-type'], bytes, text: bytes.toString() });
    });
    req.on('error', reject);
    req.end(body);
  });
}

/** The packets of a payload of text. */
function packetsOf(text) {
  const packets = [];
  for (let rest = text; rest !== '';) {
    const [length] = rest.match(/^\d+(?=:)/);
    const from = length.length + 1;
    packets.push(rest.slice(from, from + Number(length)));
    rest = rest.slice(from + Number(length));
  }
  return packets;
}

async function open(url, query = {}, at = path) {
  const answer = await request(url, 'GET', query, { at });
  assert.equal(answer.status, 200, answer.text);
  const [first] = packetsOf(answer.text);
  assert.equal(first[0], '0');
  return JSON.parse(first.slice(1));
}

async function post(url, sid, body, options) {
  const answer = await request(url, 'POST', { sid }, { body, ...options });
  assert.deepEqual([answer.status, answer.text], [200, 'ok']);
}

const poll = (url, sid, query) => request(url, 'GET', { sid, ...query });

/** Polls until so many packets have come. */
async function received(url, sid, count) {
  const packets = [];
  while (packets.length < count) {
    const answer = await poll(url, sid);
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.type, /^text\/plain/);
    packets.push(...packetsOf(answer.text).filter((p) => p !== '6'));
  }
  return packets;
}

const wires = new Set();
after(() => { for (const ws of wires) ws.terminate(); });

/** A WebSocket with its frames. */
function dial(url, query) {
  const target = new URL(path, url());
  target.protocol = 'ws:';
  target.search = new URLSearchParams({ EIO: '3', transport: 'websocket', ...query });
  const ws = new WebSocket(target);
  wires.add(ws);
  const frames = [];
  const waiting = [];
  ws.on('message', (data, isBinary) => {
    const frame = isBinary ? data : data.toString();
    if (waiting.length > 0) waiting.shift()(frame);
    else frames.push(frame);
  });
  ws.on('error', () => {});
  const closed = new Promise((resolve) => { ws.on('close', resolve); });
  const next = () => (frames.length > 0 ? frames.shift() : Promise.race([
    new Promise((resolve) => { waiting.push(resolve); }),
    closed.then(() => { throw new Error('closed'); }),
    sleep(patience, undefined, { ref: false }).then(() => { throw new Error('no frame in time'); }),
  ]));
  return { ws, next, closed, frames, send: (frame) => ws.send(frame) };
}

async function session(url, query) {
  const wire = dial(url, query);
  const first = await wire.next();
  assert.equal(first[0], '0');
  wire.handshake = JSON.parse(first.slice(1));
  return wire;
}

/** Answers to two GETs at a time, the refusal last: on a busy machine the first may be it. */
async function twice(get) {
  const first = get();
  await sleep(held);
  const answers = await Promise.all([first, get()]);
  answers.sort((a, b) => a.status - b.status);
  assert.deepEqual(answers.map((answer) => answer.status), [200, 400]);
  return answers;
}

/** The next frame that is not the noop of an upgrade. */
async function last(wire) {
  const frame = await wire.next();
  return frame === '6' ? wire.next() : frame;
}

async function gone(url, sid) {
  const answer = await poll(url, sid);
  assert.deepEqual([answer.status, JSON.parse(answer.text)], [400, { code: 1, message: 'Session ID unknown' }]);
}

function suite(url, frames) {
  describe('handshake', () => {
    test('over HTTP', async () => {
      const got = await open(url);
      assert.deepEqual(Object.keys(got).sort(), ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades']);
      assert.deepEqual([got.upgrades, got.pingInterval, got.pingTimeout], [['websocket'], 300, heartbeat.pingTimeout]);
    });
    test('over HTTP without a version, or with one that is none', async () => {
      for (const EIO of [null, 'abc', '2']) await open(url, { EIO });
    });
    test('over HTTP with an unknown transport', async () => {
      const answer = await request(url, 'GET', { transport: 'abc' });
      assert.deepEqual([answer.status, JSON.parse(answer.text)], [400, { code: 0, message: 'Transport unknown' }]);
    });
    test('over HTTP with another method', async () => {
      const answer = await request(url, 'POST', {}, { body: '' });
      assert.deepEqual([answer.status, JSON.parse(answer.text)], [400, { code: 2, message: 'Bad handshake method' }]);
    });
    test('over WebSocket', async () => {
      const { handshake } = await session(url);
      assert.deepEqual(handshake.upgrades, []);
    });
    test('over WebSocket with a version that is none', async () => { await session(url, { EIO: 'abc' }); });
    test('over WebSocket with an unknown transport', async () => {
      const wire = dial(url, { transport: 'abc' });
      await wire.closed;
      assert.deepEqual(wire.frames, []);
    });
  });

  describe('heartbeat', () => {
    test('over HTTP: a ping is answered, and keeps the session', async () => {
      const { sid } = await open(url);
      for (let i = 0; i < 4; i++) {
        await post(url, sid, '1:2');
        assert.deepEqual(await received(url, sid, 1), ['3']);
        await sleep(200);
      }
      await post(url, sid, '2:4a');
    });
    test('over HTTP: without a ping the session ends', async () => {
      const { sid } = await open(url);
      await sleep(untilTimeout + 200);
      await gone(url, sid);
    });
    test('over HTTP: the server sends no ping', async () => {
      const { sid } = await open(url);
      const waits = poll(url, sid);
      assert.equal(await Promise.race([waits, sleep(heartbeat.pingInterval + 100)]), undefined);
      await post(url, sid, '1:1');
      await waits; // or Node would wait for it
    });
    test('over HTTP: a pong ends the session', async () => {
      const { sid } = await open(url);
      await request(url, 'POST', { sid }, { body: '1:3' });
      await gone(url, sid);
    });
    test('over WebSocket: a ping is answered, and keeps the session', async () => {
      const wire = await session(url);
      for (let i = 0; i < 4; i++) {
        wire.send('2');
        assert.equal(await wire.next(), '3');
        await sleep(200);
      }
      wire.send('4a');
      assert.equal(await wire.next(), '4a');
    });
    test('over WebSocket: without a ping the session ends, and the server sends none', async () => {
      const wire = await session(url);
      await wire.closed;
      assert.deepEqual(wire.frames, []);
    });
  });

  describe('close', () => {
    test('over HTTP: a GET that waits is answered', async () => {
      const { sid } = await open(url);
      const waits = poll(url, sid);
      await sleep(held);
      await post(url, sid, '1:1');
      assert.deepEqual(packetsOf((await waits).text), ['6']);
      await gone(url, sid);
    });
    test('over WebSocket', async () => {
      const wire = await session(url);
      wire.send('1');
      await wire.closed;
    });
  });

  describe('messages', () => {
    test('over HTTP: text', async () => {
      const { sid } = await open(url);
      await post(url, sid, '6:4hello');
      assert.deepEqual(await received(url, sid, 1), ['4hello']);
    });
    test('over HTTP: several, with lengths in UTF-16', async () => {
      const { sid } = await open(url);
      await post(url, sid, '2:4€4:4🙂é4:4a:b');
      assert.deepEqual(await received(url, sid, 3), ['4€', '4🙂é', '4a:b']);
    });
    test('over HTTP: binary as text', async () => {
      const { sid } = await open(url, { b64: '1' });
      await post(url, sid, '10:b4AQIDBA==');
      assert.deepEqual(await received(url, sid, 1), ['b4AQIDBA==']);
    });
    test('over HTTP: binary', async () => {
      const { sid } = await open(url);
      const body = Buffer.from([1, 5, 255, 4, 1, 2, 3, 4]);
      await post(url, sid, body, { type: 'application/octet-stream' });
      const answer = await poll(url, sid);
      assert.equal(answer.type, 'application/octet-stream');
      assert.deepEqual(answer.bytes, body);
    });
    test('over HTTP: text and binary', async () => {
      const { sid } = await open(url);
      const body = Buffer.concat([Buffer.from([0, 4, 255]), Buffer.from('4€'), Buffer.from([1, 3, 255, 4, 0, 255])]);
      await post(url, sid, body, { type: 'application/octet-stream' });
      let all = Buffer.alloc(0);
      let packets = 0;
      while (packets < 2) { // the reference answers the first alone if the GET waits
        const answer = await poll(url, sid);
        if (/^text/.test(answer.type)) packets += packetsOf(answer.text).length;
        else packets += answer.bytes[0] === 0 ? 2 : 1;
        all = Buffer.concat([all, answer.bytes]);
      }
      assert.ok(all.includes(Buffer.from('4€')) && all.includes(Buffer.from([1, 3, 255, 4, 0, 255])), all.toString('hex'));
    });
    test('over HTTP: what is no payload ends the session', async () => {
      const { sid } = await open(url);
      await request(url, 'POST', { sid }, { body: 'abc' });
      await gone(url, sid);
    });
    test('over HTTP: two GETs at a time end the session', async () => {
      const { sid } = await open(url);
      const [told] = await twice(() => poll(url, sid));
      assert.deepEqual(packetsOf(told.text), ['1']);
    });
    test('over WebSocket: text', async () => {
      const wire = await session(url);
      wire.send('4🙂é');
      assert.equal(await wire.next(), '4🙂é');
    });
    test('over WebSocket: binary as text', async () => {
      const wire = await session(url, { b64: '1' });
      wire.send('b4AQIDBA==');
      assert.equal(await wire.next(), 'b4AQIDBA==');
    });
    test('over WebSocket: what is no packet ends the session', async () => {
      const wire = await session(url);
      wire.send('abc');
      await wire.closed;
      assert.deepEqual(wire.frames, []);
    });
    if (frames) {
      test('over WebSocket: binary', async () => {
        const wire = await session(url);
        wire.send(Buffer.from([4, 1, 2, 255]));
        assert.deepEqual(await wire.next(), Buffer.from([4, 1, 2, 255]));
      });
    }
    test('a request of another version is refused', async () => {
      const { sid } = await open(url);
      for (const method of ['GET', 'POST']) {
        const answer = await request(url, method, { sid, EIO: '4' }, method === 'POST' ? { body: '4a' } : {});
        assert.deepEqual([answer.status, JSON.parse(answer.text)], [400, { code: 3, message: 'Bad request' }]);
      }
      await post(url, sid, '2:4a');
    });
  });

  describe('upgrade', () => {
    /** A session whose WebSocket has answered the probe. */
    async function probed() {
      const { sid } = await open(url);
      const wire = dial(url, { sid });
      await new Promise((resolve) => { wire.ws.on('open', resolve); });
      wire.send('2probe');
      assert.equal(await wire.next(), '3probe');
      return { sid, wire };
    }
    test('takes what waits along', async () => {
      const { sid, wire } = await probed();
      assert.deepEqual(packetsOf((await poll(url, sid)).text), ['6']);
      await post(url, sid, '2:4a');
      wire.send('5');
      assert.equal(await wire.next(), '4a');
      wire.send('2');
      assert.equal(await wire.next(), '3');
    });
    test('then requests over HTTP are refused, and no harm', async () => {
      const { sid, wire } = await probed();
      wire.send('5');
      wire.send('4a');
      assert.equal(await last(wire), '4a');
      const late = await poll(url, sid);
      assert.deepEqual([late.status, JSON.parse(late.text).code], [400, 3]);
      wire.send('4b');
      assert.equal(await wire.next(), '4b');
    });
    test('then another WebSocket is closed, and no harm', async () => {
      const { sid, wire } = await probed();
      wire.send('5');
      wire.send('4a');
      assert.equal(await last(wire), '4a');
      const other = dial(url, { sid });
      await other.closed;
      wire.send('4b');
      assert.equal(await wire.next(), '4b');
    });
  });

  describe('Socket.IO v2', () => {
    test('joins the main namespace by itself', async () => {
      const { sid } = await open(url, {}, socketIO);
      const packets = [];
      while (packets.length < 2) packets.push(...packetsOf((await request(url, 'GET', { sid }, { at: socketIO })).text));
      assert.deepEqual(packets, ['40', '42["auth",{}]']);
    });
    test('joins another with a query', async () => {
      const { sid } = await open(url, {}, socketIO);
      await request(url, 'POST', { sid }, { at: socketIO, body: '16:40/custom?a=b&c,' });
      const packets = [];
      while (packets.length < 4) packets.push(...packetsOf((await request(url, 'GET', { sid }, { at: socketIO })).text));
      assert.deepEqual(packets.slice(2), ['40/custom,', '42/custom,["auth",{"a":"b","c":""}]']);
    });
    test('is told of a namespace that is not there', async () => {
      const { sid } = await open(url, {}, socketIO);
      await request(url, 'POST', { sid }, { at: socketIO, body: '10:40/random,' });
      const packets = [];
      while (packets.length < 3) packets.push(...packetsOf((await request(url, 'GET', { sid }, { at: socketIO })).text));
      assert.equal(packets[2], '44/random,{"message":"Invalid namespace"}');
    });
  });

  for (const EIO of ['3', '4']) {
    describe(`JSONP of version ${EIO}`, () => { jsonp(url, EIO); });
  }
}

function notAllowed(url) {
  describe('not allowed', () => {
    test('a handshake of version 3 is refused', async () => {
      const answer = await request(url, 'GET');
      const refusal = { code: 5, message: 'Unsupported protocol version' };
      assert.deepEqual([answer.status, JSON.parse(answer.text)], [400, refusal]);
    });
    test('a client of Socket.IO v2 is not connected', async () => {
      const socket = v2(url().toString(), { forceNew: true, reconnection: false, transports: ['polling'] });
      const events = [];
      const told = new Promise((resolve) => { socket.on('connect_error', resolve); });
      socket.on('connect', () => events.push('connect'));
      await told;
      socket.close();
      assert.deepEqual(events, []);
    });
  });
}

const form = 'application/x-www-form-urlencoded';

function jsonp(url, EIO) {
  const payload = (text) => (EIO === '4' ? text : `${text.length}:${text}`);
  const script = (text, index = '7') => `___eio[${index}](${JSON.stringify(payload(text))
    .replace(/\u2028/g, '\\u2028').replace(/\u2029/g, '\\u2029')});`;

  async function begin(j = '7') {
    const answer = await request(url, 'GET', { EIO, j, b64: '1' });
    assert.deepEqual([answer.status, answer.type], [200, 'text/plain; charset=UTF-8']);
    const [, quoted] = answer.text.match(/^___eio\[\d*\]\((".*")\);$/);
    const first = EIO === '4' ? JSON.parse(quoted) : packetsOf(JSON.parse(quoted))[0];
    return JSON.parse(first.slice(1)).sid;
  }

  /** The answer to the next GET that is no ping: those of version 4 are the server's. */
  async function get(sid, j = '7') {
    const answer = await request(url, 'GET', { EIO, j, sid });
    return answer.text === script('2', j) ? get(sid, j) : answer;
  }

  const submit = (sid, text) => request(url, 'POST', { EIO, j: '7', sid }, {
    type: form, body: new URLSearchParams({ d: text }).toString(),
  });

  for (const [title, sent, came] of [
    ['text', '4hello', '4hello'],
    ['quotes, and what ends a script', '4"\\</script>', '4"\\</script>'],
    ['ends of lines', '4a\u2028b\u2029c', '4a\u2028b\u2029c'],
    ['an end of a line that was written as one', '4a\\nb', '4a\nb'],
    ['a backslash and an n', '4a\\\\nb', '4a\\nb'],
    ['characters of many scripts', '4€ñ🙂 +&=%', '4€ñ🙂 +&=%'],
  ]) {
    test(title, async () => {
      const sid = await begin();
      const body = EIO === '4' ? sent : `${came.length}:${sent}`;
      const answer = await submit(sid, body);
      assert.deepEqual([answer.status, answer.text, answer.type], [200, 'ok', 'text/html']);
      const got = await get(sid);
      assert.deepEqual([got.status, got.type, got.text], [200, 'text/plain; charset=UTF-8', script(came)]);
    });
  }

  test('the index of each session', async () => {
    const sid = await begin('12');
    await request(url, 'POST', { EIO, j: '12', sid }, { type: form, body: `d=${encodeURIComponent(payload('4a'))}` });
    assert.equal((await get(sid, '12')).text, script('4a', '12'));
  });
  test('an index that is none', async () => {
    const answer = await request(url, 'GET', { EIO, j: 'a1;b2', b64: '1' });
    assert.match(answer.text, /^___eio\[12\]\("/);
  });
  test('binary', async () => {
    const sid = await begin();
    const packet = EIO === '4' ? 'bAQIDBA==' : 'b4AQIDBA==';
    await submit(sid, payload(packet));
    assert.equal((await get(sid)).text, script(packet));
  });
  test('a form without the field posts nothing', async () => {
    const sid = await begin();
    const answer = await request(url, 'POST', { EIO, j: '7', sid }, { type: form, body: 'x=1' });
    assert.deepEqual([answer.status, answer.text], [200, 'ok']);
    await submit(sid, payload('4a'));
    assert.equal((await get(sid)).text, script('4a'));
  });
  test('an error is JSON', async () => {
    const answer = await request(url, 'GET', { EIO, j: '7', sid: 'unknown' });
    assert.deepEqual([answer.status, answer.type, JSON.parse(answer.text).code], [400, 'application/json', 1]);
  });
  if (EIO === '4') return; // a ping of the server would end the GET that waits
  test('the client ends the session: a GET that waits is answered', async () => {
    const sid = await begin();
    const waits = get(sid);
    await sleep(held);
    await submit(sid, payload('1'));
    assert.equal((await waits).text, script('6'));
    await gone(url, sid);
  });
  test('the server ends the session: a GET that waits is told', async () => {
    const sid = await begin();
    const [told] = await twice(() => get(sid));
    assert.equal(told.text, script('1'));
  });
}
