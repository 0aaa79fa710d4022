// What a server does with input that is wrong: too large, cut off, of the wrong type, in the wrong
// order or from nobody it knows. After each, the server must still serve the next session.
//
// The same server as in protocol.test.mjs. Where Nonstick is deliberately better than the reference
// server the test says `better`.

import assert from 'node:assert/strict';
import http from 'node:http';
import { afterEach, describe } from 'node:test';
import { gunzipSync } from 'node:zlib';
import {
  base, better, engine, socketIO, RS, sleep, request, startPost, Polling, Wire, UpgradeRefused, probe, upgrade,
  pollReleased, assertRefused, refusals, assertOpensThenCloses, assertUpgradeRefused, binaryFrame, textOnly, ordered,
  test,
} from './wire.mjs';

/** The server is alive: a fresh session echoes. */
afterEach(async () => {
  const wire = await Wire.session(engine);
  wire.send('4alive');
  assert.equal(await wire.packet(), '4alive');
  wire.close();
});

describe('query parameters', () => {
  const odd = ['webtransport', 'constructor', '__proto__', 'toString', 'POLLING', 'x'.repeat(4000)];
  for (const transport of odd) {
    test(`unknown transport ${transport.slice(0, 16)}`, async () => {
      assertRefused(await request('GET', engine, { query: { transport } }), ...refusals.transport);
      await assertUpgradeRefused(engine, { transport }, 'Transport unknown');
    });
  }

  for (const sid of ['nobody', '__proto__', '%00', '../x', '#', 'x'.repeat(4000), 'A'.repeat(20)]) {
    test(`unknown sid ${sid.slice(0, 20)}`, async () => {
      assertRefused(await request('GET', engine, { query: { sid } }), ...refusals.sid);
      assertRefused(await request('POST', engine, { query: { sid }, body: '4x' }), ...refusals.sid);
      await assertUpgradeRefused(engine, { sid }, 'Session ID unknown');
    });
  }

  test('an empty sid asks for a new session', async () => {
    const answer = await request('GET', engine, { query: { sid: '' } });
    assert.equal(answer.text[0], '0');
  });

  test('of a repeated key the last value counts', async () => {
    assertRefused(await request('GET', engine, { rawQuery: 'EIO=4&transport=polling&transport=abc' }), ...refusals.transport);
    const answer = await request('GET', engine, { rawQuery: 'EIO=4&transport=abc&transport=polling' });
    assert.equal(answer.text[0], '0');
  });

  test('another version on a later request harms nothing', async () => {
    const session = await Polling.open(engine);
    const answer = await session.get({ query: { EIO: '3' } });
    if (answer.status !== 200) assertRefused(answer, ...refusals.request);
    await session.send('4hello');
    await session.packetsUntil((packet) => packet === '4hello');
  });

  test('transport=websocket without an upgrade', async () => {
    assertRefused(await request('GET', engine, { query: { transport: 'websocket' } }), ...refusals.request);
  });

  test('transport=websocket on a polling session, which lives on', async () => {
    const session = await Polling.open(engine);
    assertRefused(await session.get({ query: { transport: 'websocket' } }), ...refusals.request);
    await session.send('4hello');
    assert.deepEqual(await session.packets(), ['4hello']);
  });

  test('transport=polling on a WebSocket session, which lives on', async () => {
    const wire = await Wire.session(engine);
    assertRefused(await request('GET', engine, { query: { sid: wire.sid } }), ...refusals.request);
    assertRefused(await request('POST', engine, { query: { sid: wire.sid }, body: '4x' }), ...refusals.request);
    wire.send('4hello');
    assert.equal(await wire.packet(), '4hello');
    wire.close();
  });

  better('transport=websocket without an upgrade on a WebSocket session', async () => {
    const wire = await Wire.session(engine);
    const answer = await request('GET', engine, { query: { sid: wire.sid, transport: 'websocket' } });
    assertRefused(answer, ...refusals.request);
    wire.close();
  });

  test('an upgrade with transport=polling opens and is closed', async () => {
    await assertOpensThenCloses(engine, { transport: 'polling' });
  });

  test('a path without its last slash is not ours', async () => {
    assert.equal((await request('GET', '/engine.io')).status, 404);
    assert.equal((await request('GET', '/nothing/')).status, 404);
  });
});

describe('methods', () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    test(`${method} without sid`, async () => {
      assertRefused(await request(method, engine), ...refusals.method);
    });
  }

  for (const method of ['PUT', 'HEAD', 'DELETE']) {
    test(`${method} with sid`, async () => {
      const session = await Polling.open(engine);
      const { status, text } = await request(method, engine, { query: { sid: session.sid } });
      assert.deepEqual({ status, text }, { status: 500, text: '' });
      await session.send('4hello');
      assert.deepEqual(await session.packets(), ['4hello']);
    });
  }
});

describe('polling requests', () => {
  test('a second poll ends both and the session', async () => {
    const session = await Polling.open(engine);
    const first = session.get();
    await sleep(50);
    const second = await session.get();
    assert.deepEqual([second.status, second.text], [400, '']);
    assert.deepEqual([(await first).status, (await first).text], [200, '1']);
    await session.assertGone();
  });

  test('two posts at a time lose or repeat nothing', async () => {
    const session = await Polling.open(engine);
    const { req, answer } = startPost(session, 6);
    req.write('4fi');
    await sleep(50);
    const second = await session.post('4second');
    assert.ok([200, 400].includes(second.status), `status ${second.status}`);
    if (second.status === 400) return session.assertGone();
    req.end('rst');
    assert.equal((await answer).text, 'ok');
    const seen = await session.packetsUntil((packet) => packet === '4first');
    assert.deepEqual(seen, ['4second', '4first']);
  });

  test('a post cut off in its body delivers nothing', async () => {
    const session = await Polling.open(engine);
    const { req } = startPost(session, 100);
    req.write('4half');
    await sleep(50);
    req.destroy();
    await sleep(50);
    const answer = await session.get();
    assert.ok(answer.status === 400 || answer.text === '2', `${answer.status} ${answer.text}`);
  });

  test('a body of raw bytes closes the session', async () => {
    const session = await Polling.open(engine);
    const headers = { 'content-type': 'application/octet-stream' };
    const answer = await session.post('4hello', { headers });
    assert.deepEqual([answer.status, answer.text], [400, '']);
    await session.assertGone();
  });

  for (const type of ['application/octet-stream; x=y', 'Application/Octet-Stream', 'application/json', '']) {
    test(`a body of type "${type}" is text`, async () => {
      const session = await Polling.open(engine);
      assert.equal((await session.post('4hello', { headers: { 'content-type': type } })).text, 'ok');
      assert.deepEqual(await session.packets(), ['4hello']);
    });
  }

  test('a body over the limit is refused, the session and its poll live on', async () => {
    const session = await Polling.open(engine);
    const poll = session.get();
    await sleep(50);
    const answer = await session.post('4' + 'x'.repeat(session.handshake.maxPayload));
    assert.deepEqual([answer.status, answer.text], [413, '']);
    await session.send('4hello');
    const seen = (await poll).text;
    if (seen !== '2') return assert.equal(seen, '4hello');
    assert.deepEqual(await session.packets(), ['4hello']);
  });

  test('a body of exactly the limit is served', async () => {
    const session = await Polling.open(engine);
    const packet = '4' + 'x'.repeat(session.handshake.maxPayload - 1);
    await session.send(packet);
    if (textOnly) return; // the echo is above what API Gateway sends to a client
    const seen = await session.packetsUntil((got) => got.startsWith('4'));
    assert.equal(seen[0], packet);
  });

  test('an invalid byte counts as the three of its replacement', async () => {
    const session = await Polling.open(engine);
    const body = Buffer.alloc(session.handshake.maxPayload / 2, 0xff);
    body[0] = '4'.charCodeAt(0);
    assert.equal((await session.post(body)).status, 413);
    await session.send('4hello');
    await session.packetsUntil((got) => got === '4hello');
  });
});

describe('payloads', () => {
  const bad = {
    'an empty body': '',
    'a lone separator': RS,
    'a separator at the end': `4a${RS}`,
    'an unknown type': '7',
    'a byte order mark': '\ufeff4hello',
    'a NUL': '\0',
  };
  for (const [title, body] of Object.entries(bad)) {
    test(`${title} closes the session with "ok"`, async () => {
      const session = await Polling.open(engine);
      assert.equal((await session.post(body)).text, 'ok');
      await session.assertGone();
    });
  }

  test('packets before a bad one are delivered, those after it are not', async () => {
    const session = await Polling.open(engine);
    const poll = session.get();
    await sleep(50);
    await session.send(['4before', 'abc', '4after'].join(RS));
    assert.equal((await poll).text, '4before');
    await session.assertGone();
  });

  test('a ping from the client closes the session', async () => {
    const session = await Polling.open(engine);
    await session.send('2');
    await session.assertGone();
    const wire = await Wire.session(engine);
    wire.send('2');
    await wire.closedAnsweringPings();
  });

  for (const [name, packet] of [['open', '0{}'], ['pong', '3'], ['upgrade', '5'], ['noop', '6']]) {
    test(`an unasked ${name} is harmless`, async () => {
      const session = await Polling.open(engine);
      await session.send(`${packet}${RS}4hello`);
      assert.deepEqual(await session.packets(), ['4hello']);
      const wire = await Wire.session(engine);
      wire.send(packet);
      wire.send('4hello');
      assert.equal(await wire.packet(), '4hello');
      wire.close();
    });
  }

  test('packets of every size of character come back unchanged', async () => {
    const text = '4€ü\u{1F600}\u2028\u0000"\\ 漢';
    const session = await Polling.open(engine);
    await session.send(`${text}${RS}4${RS}b`);
    assert.deepEqual(await session.packets(), [text, '4', 'b']);
  });

  test('base64 on a WebSocket is binary', async () => {
    const wire = await Wire.session(engine);
    wire.send('bAQIDBA==');
    assert.deepEqual(await wire.packet(), binaryFrame([1, 2, 3, 4]));
    wire.close();
  });
});

describe('WebSocket frames', () => {
  test('an empty frame closes the session', async () => {
    const wire = await Wire.session(engine);
    wire.send('');
    await wire.closedAnsweringPings();
  });

  test('a frame over the limit closes with 1009', async () => {
    const wire = await Wire.session(engine);
    wire.send('4' + 'x'.repeat(wire.handshake.maxPayload + 1));
    assert.equal((await wire.closedAnsweringPings()).code, 1009);
  });

  better('the packet close closes at once', async () => {
    const wire = await Wire.session(engine);
    const started = Date.now();
    wire.send('1');
    await wire.closed();
    assert.ok(Date.now() - started < 250, 'before any ping timeout');
  });

  better('a second WebSocket on a session that began as one opens and is closed', async () => {
    const wire = await Wire.session(engine);
    await assertOpensThenCloses(engine, { sid: wire.sid });
    assert.ok(wire.isOpen);
  });
});

describe('upgrades', () => {
  test('a second WebSocket during a probe is closed, the upgrade goes on', async () => {
    const session = await Polling.open(engine);
    const wire = await probe(session);
    await assertOpensThenCloses(engine, { sid: session.sid });
    assert.equal(await pollReleased(session), '6');
    wire.send('5');
    wire.send('4hello');
    assert.equal(await wire.packet(), '4hello');
    wire.close();
  });

  for (const frame of ['4hello', '2', '2other', 'abc', '3probe']) {
    test(`a probe that begins with ${frame} is closed, polling goes on`, async () => {
      const session = await Polling.open(engine);
      const wire = await Wire.open(engine, { query: { sid: session.sid } });
      wire.send(frame);
      await wire.closed();
      await session.send('4still here');
      await session.packetsUntil((packet) => packet === '4still here');
    });
  }

  test('polling goes on after a WebSocket that closed before its probe, and can upgrade', async () => {
    const session = await Polling.open(engine);
    const lost = await Wire.open(engine, { query: { sid: session.sid } });
    lost.close();
    await lost.closed();
    await session.send('4still here');
    await session.packetsUntil((packet) => packet === '4still here');
    const wire = await upgrade(session);
    wire.send('4hello');
    assert.equal(await wire.packet(), '4hello');
    wire.close();
  });

  test('5 is accepted without a probe; a parked poll gets 1', async () => {
    const session = await Polling.open(engine);
    const poll = session.get();
    await sleep(50);
    const wire = await Wire.open(engine, { query: { sid: session.sid } });
    wire.send('5');
    if (!ordered) assert.equal((await poll).text, '1'); // a message that overtakes the 5 is no probe
    wire.send('4hello');
    assert.equal(await wire.packet(), '4hello');
    assert.equal((await poll).text, '1');
    wire.close();
  });

  test('what was buffered before 5 arrives after it, in order', async () => {
    const session = await Polling.open(engine);
    const wire = await probe(session);
    assert.equal(await pollReleased(session), '6');
    await session.send(['4a', '4b'].join(RS));
    wire.send('5');
    wire.send('4c');
    for (const want of ['4a', '4b', '4c']) assert.equal(await wire.packet(), want);
    wire.close();
  });

  test('every poll during a probe is released', async () => {
    const session = await Polling.open(engine);
    const wire = await probe(session);
    for (let round = 0; round < 3; round++) {
      const started = Date.now();
      assert.equal(await pollReleased(session), '6');
      assert.ok(Date.now() - started < 1_000, 'released at once');
    }
    wire.close();
  });
});

describe('Socket.IO packets', () => {
  const ph = (num) => `{"_placeholder":true,"num":${num}}`;
  const closing = {
    'an event for a namespace not joined': ['42/custom,["message"]'],
    'an ack for a namespace not joined': ['43/custom,1[]'],
    'a second CONNECT': ['40'],
    'CONNECT_ERROR from a client': ['44{"message":"x"}'],
    'an unknown type': ['47'],
    'no type': ['4'],
    'a reserved event name': ['42["disconnect"]'],
    'another reserved event name': ['42["connect_error",1]'],
    'an event without a name': ['42[]'],
    'an event name that is an object': ['42[{}]'],
    'truncated JSON': ['42["message"'],
    'JSON with a tail': ['42["message"]x'],
    'an event that is a string': ['42"message"'],
    'CONNECT with an array': ['40/custom,[]'],
    'CONNECT with a string': ['40/custom,"x"'],
    'DISCONNECT with a payload': ['41{}'],
    'an ack that is an object': ['431{}'],
    'attachments that are no number': ['45x-["message"]'],
    'attachments without a dash': ['451["message"]'],
    'zero attachments': ['450-["message"]'],
    'too many attachments': [`4511-["message",${ph(0)}]`],
    'a bad attachment index': [`451-["message",${ph(7)}]`, Buffer.from([1])],
    'a negative attachment index': [`451-["message",${ph(-1)}]`, Buffer.from([1])],
    'an index that is no number': ['451-["message",{"_placeholder":true,"num":"0"}]', Buffer.from([1])],
    'text while attachments are due': [`451-["message",${ph(0)}]`, '42["message"]'],
    'binary that nothing announced': [Buffer.from([1, 2, 3])],
  };
  if (!ordered) { // where the frames of a connection are handled at once, each of these may have overtaken another
    delete closing['text while attachments are due'];
    delete closing['a second CONNECT'];
    test('a second CONNECT: refused over WebSocket, for the DISCONNECT between may come late', async () => {
      const wire = await Wire.connect();
      wire.send('40');
      assert.match(await wire.packet(), /^44\{"message":/);
      wire.send('42["message",1]');
      assert.equal(await wire.packet(), '42["message-back",1]');
      wire.close();
    });
  }
  for (const [title, frames] of Object.entries(closing)) {
    test(`${title}: closed over WebSocket`, async () => {
      const wire = await Wire.connect();
      for (const frame of frames) wire.send(frame);
      await wire.closedAnsweringPings();
      assert.deepEqual(wire.extra, []);
    });
  }

  for (const frame of ['42["message"]', '41', '43/custom,1[]']) {
    test(`${frame} before any CONNECT: closed`, async () => {
      const wire = await Wire.session(socketIO);
      wire.send(frame);
      await wire.closedAnsweringPings(textOnly ? 3000 : 800); // on Lambda its CONNECT may yet come
      assert.deepEqual(wire.extra, []);
    });
  }

  test('closed over polling: a parked poll gets 1', async () => {
    const session = await Polling.connect();
    const poll = session.get();
    await sleep(30);
    await session.send('4abc');
    assert.equal((await poll).text, '1');
    await session.assertGone();
  });

  test('closed over polling: else the next poll gets 6 and 1', async () => {
    const session = await Polling.connect();
    await session.send('4abc');
    assert.equal((await session.get()).text, `6${RS}1`);
    await session.assertGone();
  });

  test('while closing, posts are accepted and ignored', async () => {
    const session = await Polling.connect();
    await session.send('4abc');
    await session.send('42["message","late"]');
    assert.equal((await session.get()).text, `6${RS}1`);
    await session.assertGone();
  });

  test('what was buffered at a close goes first, without 1', async () => {
    const session = await Polling.connect();
    await session.send('42["message","x"]');
    await session.send('4abc');
    assert.equal((await session.get()).text, '42["message-back","x"]');
    assert.equal((await session.get()).text, `6${RS}1`);
    await session.assertGone();
  });

  test('ack id 0 and a large one are valid', async () => {
    const wire = await Wire.connect();
    wire.send('420["message-with-ack","zero"]');
    assert.equal(await wire.packet(), '430["zero"]');
    wire.send('429007199254740991["message-with-ack","large"]');
    assert.equal(await wire.packet(), '439007199254740991["large"]');
    wire.close();
  });

  test('an unknown ack and an event without a payload are ignored', async () => {
    const wire = await Wire.connect();
    wire.send('4399[1]');
    wire.send('42');
    wire.send('42["nobody listens",1]');
    wire.send('42["message"]');
    assert.equal(await wire.packet(), '42["message-back"]');
    wire.close();
  });

  test('CONNECT with an id is accepted', async () => {
    const wire = await Wire.session(socketIO);
    wire.send('407{"a":1}');
    assert.match(await wire.packet(), /^40\{"sid":/);
    assert.equal(await wire.packet(), '42["auth",{"a":1}]');
    wire.close();
  });

  test('a query in a namespace makes it another one', async () => {
    const wire = await Wire.session(socketIO);
    wire.send('40/?token=1,');
    assert.equal(await wire.packet(), '44/?token=1,{"message":"Invalid namespace"}');
    wire.close();
  });

  for (const name of ['/__proto__', '/constructor', '/#', '/ ', '/' + 'n'.repeat(3000)]) {
    test(`namespace ${name.slice(0, 16)} does not exist`, async () => {
      const wire = await Wire.session(socketIO);
      wire.send(`40${name},`);
      const answer = await Promise.race([wire.packet(), wire.end]);
      if (typeof answer === 'string') assert.match(answer, /^44.*\{"message":"Invalid namespace"\}$/);
      wire.close();
    });
  }

  test('attachments may come over several posts', async () => {
    const session = await Polling.connect();
    await session.send(`452-["message",${ph(0)},${ph(1)}]`);
    await session.send('bAQI=');
    await session.send('bAwQ=');
    const seen = await session.packetsUntil((packet) => packet === 'bAwQ=');
    assert.deepEqual(seen, [`452-["message-back",${ph(0)},${ph(1)}]`, 'bAQI=', 'bAwQ=']);
  });

  better('JSON nested very deeply closes the connection and nothing else', async () => {
    const wire = await Wire.connect();
    wire.send(`42["message",${'['.repeat(100_000)}${']'.repeat(100_000)}]`);
    const first = await Promise.race([wire.end, wire.packet().catch(() => wire.end)]);
    assert.ok(first.code, 'closed');
  });

  better('CONNECT and an event in one payload are handled in order', async () => {
    const session = await Polling.open(socketIO);
    await session.send(`40${RS}42["message","at once"]`);
    const seen = await session.packetsUntil((packet) => packet.includes('at once'));
    assert.match(seen[0], /^40\{"sid":/);
    assert.deepEqual(seen.slice(1), ['42["auth",{}]', '42["message-back","at once"]']);
  });
});

describe('answers', () => {
  test('headers of polls and posts', async () => {
    const session = await Polling.open(engine);
    const post = await session.post('4hello');
    assert.equal(post.headers['content-type'], 'text/html');
    const poll = await session.get();
    assert.equal(poll.headers['content-type'], 'text/plain; charset=UTF-8');
    assert.equal(poll.headers['cache-control'], 'no-store');
    assert.equal(Number(poll.headers['content-length']), poll.bytes.length);
  });

  test('no CORS headers unless asked for', async () => {
    const answer = await request('GET', engine, { headers: { origin: 'http://elsewhere.example' } });
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  });

  for (const encoding of ['gzip', 'gzip, deflate, br', '*']) {
    test(`a large answer is compressed for Accept-Encoding: ${encoding}`, async () => {
      const session = await Polling.open(engine);
      const packet = '4' + 'text '.repeat(2000);
      await session.send(packet);
      const answer = await session.get({ headers: { 'accept-encoding': encoding } });
      assert.equal(answer.headers['content-encoding'], 'gzip');
      assert.equal(gunzipSync(answer.bytes).toString(), packet);
    });
  }

  test('a small answer, or one to a client that asks for none, is not compressed', async () => {
    const session = await Polling.open(engine);
    await session.send('4small');
    const small = await session.get({ headers: { 'accept-encoding': 'gzip' } });
    assert.equal(small.headers['content-encoding'], undefined);
    await session.send('4' + 'x'.repeat(5000));
    assert.equal((await session.get()).headers['content-encoding'], undefined);
  });
});

describe('HTTP itself', () => {
  test('a WebSocket refusal is a plain text 400', async () => {
    await assert.rejects(Wire.open(engine, { query: { sid: 'nobody' } }), (error) => {
      assert.ok(error instanceof UpgradeRefused);
      assert.match(error.headers['content-type'], /^text\/html/);
      return true;
    });
  });

  test('half an HTTP request does no harm', async () => {
    const req = http.request(base, { method: 'POST', path: `${engine}?EIO=4`, headers: { 'content-length': 10 }, agent: false });
    req.on('error', () => {});
    req.write('4');
    await sleep(30);
    req.destroy();
  });
});
