// The behaviour that Socket.IO's protocol documents ask of every server, seen from the wire:
// Engine.IO v4 on /engine.io/ (25 tests) and Socket.IO v5 on /socket.io/ (32 tests).
//
// The server runs the app "protocol" with a ping interval of 300 ms, a ping timeout of 200 ms and a
// connect timeout of 1 s.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import {
  engine, socketIO, heartbeat, RS, sleep, request, Polling, Wire, upgrade, probe, pollReleased,
  assertRefused, refusals, assertOpensThenCloses, assertUpgradeRefused, binaryFrame, ordered, test,
} from './wire.mjs';

const handshakeKeys = ['maxPayload', 'pingInterval', 'pingTimeout', 'sid', 'upgrades'];
const untilTimeout = heartbeat.pingInterval + heartbeat.pingTimeout;

describe('Engine.IO', () => {
  handshake(engine);
  engineMessages();
  heartbeats(engine);
  closing(engine);
  upgrading(engine);
});

describe('Socket.IO', () => {
  handshake(socketIO);
  heartbeats(socketIO);
  closing(socketIO);
  upgrading(socketIO);
  connecting();
  disconnecting();
  socketMessages();
});

function assertHandshake(got, upgrades) {
  assert.deepEqual(Object.keys(got).sort(), handshakeKeys);
  assert.equal(typeof got.sid, 'string');
  assert.ok(got.sid.length > 0);
  assert.deepEqual(got.upgrades, upgrades);
  assert.equal(got.pingInterval, heartbeat.pingInterval);
  assert.equal(got.pingTimeout, heartbeat.pingTimeout);
  assert.equal(got.maxPayload, 1_000_000);
}

function handshake(path) {
  describe('handshake over HTTP', () => {
    test('opens a session', async () => {
      const session = await Polling.open(path);
      assertHandshake(session.handshake, ['websocket']);
    });

    test('refuses another version of the protocol', async () => {
      for (const EIO of [null, '', 'abc', '3', '5']) {
        assertRefused(await request('GET', path, { query: { EIO } }), ...refusals.version);
      }
    });

    test('refuses an unknown transport', async () => {
      for (const transport of [null, '', 'abc']) {
        assertRefused(await request('GET', path, { query: { transport } }), ...refusals.transport);
      }
    });

    test('refuses methods other than GET', async () => {
      for (const method of ['POST', 'PUT']) {
        assertRefused(await request(method, path, { body: '' }), ...refusals.method);
      }
    });
  });

  describe('handshake over WebSocket', () => {
    test('opens a session', async () => {
      const wire = await Wire.session(path);
      assertHandshake(wire.handshake, []);
      wire.close();
    });

    test('refuses another version of the protocol', async () => {
      for (const EIO of [null, 'abc', '3']) {
        const wire = await Wire.open(path, { query: { EIO } }).catch(() => null);
        if (!wire) continue; // refused before it opened
        await wire.closed();
        await assert.rejects(wire.next(), 'no frame may come');
      }
    });

    test('refuses an unknown transport', async () => {
      for (const transport of [null, 'abc']) {
        await assertUpgradeRefused(path, { transport }, 'Transport unknown');
      }
    });
  });
}

function engineMessages() {
  describe('messages over HTTP', () => {
    test('echoes one text packet', async () => {
      const session = await Polling.open(engine);
      await session.send('4hello');
      assert.deepEqual(await session.packets(), ['4hello']);
    });

    test('echoes several text packets in one answer, in order', async () => {
      const session = await Polling.open(engine);
      await session.send(['4one', '4two', '4three'].join(RS));
      assert.deepEqual(await session.packets(), ['4one', '4two', '4three']);
    });

    test('echoes text and binary', async () => {
      const session = await Polling.open(engine);
      await session.send(`4hello${RS}bAQIDBA==`);
      assert.deepEqual(await session.packets(), ['4hello', 'bAQIDBA==']);
    });

    test('closes the session on a payload that is none', async () => {
      const session = await Polling.open(engine);
      const answer = await session.post('abc').catch(() => ({ status: 400 }));
      assert.ok([200, 400].includes(answer.status), `status ${answer.status}`);
      assert.equal((await session.get()).status, 400);
    });

    test('closes the session on two polls at a time', async () => {
      const session = await Polling.open(engine);
      const first = session.get();
      await sleep(50);
      const second = await session.get();
      assert.ok([400, 500].includes(second.status), `status ${second.status}`);
      const { status, text } = await first;
      assert.deepEqual({ status, text }, { status: 200, text: '1' });
      assert.equal((await session.get()).status, 400);
    });

    test('closes the session after a cancelled poll', async () => {
      const session = await Polling.open(engine);
      const abort = new AbortController();
      const poll = session.get({ signal: abort.signal });
      await sleep(50);
      abort.abort();
      await assert.rejects(poll);
      await sleep(10);
      assert.equal((await session.get()).status, 400);
    });
  });

  describe('messages over WebSocket', () => {
    test('echoes text', async () => {
      const wire = await Wire.session(engine);
      wire.send('4hello');
      assert.equal(await wire.packet(), '4hello');
      wire.close();
    });

    test('echoes binary as it came', async () => {
      const wire = await Wire.session(engine);
      wire.send(binaryFrame([1, 2, 3, 4]));
      assert.deepEqual(await wire.packet(), binaryFrame([1, 2, 3, 4]));
      wire.close();
    });

    test('closes the session on a frame that is no packet', async () => {
      const wire = await Wire.session(engine);
      wire.send('abc');
      await wire.closedAnsweringPings();
    });
  });
}

function heartbeats(path) {
  describe('heartbeat over HTTP', () => {
    test('pings again after each pong', async () => {
      const session = await Polling.open(path);
      for (let round = 0; round < 3; round++) {
        assert.deepEqual(await session.packets(), ['2']);
        await session.send('3');
      }
    });

    test('closes the session when no pong comes', async () => {
      const session = await Polling.open(path);
      await sleep(untilTimeout + 100);
      await session.assertGone();
    });
  });

  describe('heartbeat over WebSocket', () => {
    test('pings again after each pong', async () => {
      const wire = await Wire.session(path);
      for (let round = 0; round < 3; round++) {
        assert.equal(await wire.next(), '2');
        wire.send('3');
      }
      wire.close();
    });

    test('closes the session when no pong comes', async () => {
      const wire = await Wire.session(path);
      assert.equal(await wire.next(), '2');
      await wire.closed();
    });
  });
}

function closing(path) {
  describe('close', () => {
    test('ends a polling session on the packet close', async () => {
      const session = await Polling.open(path);
      const poll = session.get();
      await sleep(50);
      await session.send('1');
      const { status, text } = await poll;
      assert.deepEqual({ status, text }, { status: 200, text: '6' });
      await session.assertGone();
    });

    test('ends a WebSocket session on the packet close', async () => {
      const wire = await Wire.session(path);
      wire.send('1');
      await wire.closed();
    });
  });
}

function upgrading(path) {
  describe('upgrade', () => {
    test('moves a session from polling to WebSocket', async () => {
      const session = await Polling.open(path);
      const wire = await probe(session);
      assert.equal(await pollReleased(session), '6');
      wire.send('5');
      if (path === engine) {
        wire.send('4hello');
        assert.equal(await wire.packet(), '4hello');
      } else {
        wire.send('40');
        assert.match(await wire.packet(), /^40\{"sid":/);
      }
      wire.close();
    });

    test('refuses polls after the upgrade, which goes on', async () => {
      const session = await Polling.open(path);
      const wire = await upgrade(session);
      await roundTrip(wire, path);
      assertRefused(await session.get(), ...refusals.request);
      await stillAnswers(wire, path);
      wire.close();
    });

    test('closes a second WebSocket after the upgrade, which goes on', async () => {
      const session = await Polling.open(path);
      const wire = await upgrade(session);
      await roundTrip(wire, path);
      await assertSecondCloses(path, session.sid, wire);
      await stillAnswers(wire, path);
      wire.close();
    });
  });
}

/** The first packet after an upgrade, answered: the server has handled the packet 5 by then. */
async function roundTrip(wire, path) {
  wire.send(path === engine ? '4first' : '40');
  assert.match(await wire.packet(), path === engine ? /^4first$/ : /^40\{"sid":/);
  if (path === socketIO) assert.equal(await wire.packet(), '42["auth",{}]');
}

async function stillAnswers(wire, path) {
  wire.send(path === engine ? '4again' : '42["message","again"]');
  assert.equal(await wire.packet(), path === engine ? '4again' : '42["message-back","again"]');
}

/** While a second WebSocket of the session is refused, the first must still be kept alive. */
async function assertSecondCloses(path, sid, first) {
  await assertOpensThenCloses(path, { sid });
  assert.ok(first.isOpen);
}

function connecting() {
  describe('connect', () => {
    const cases = [
      { title: 'joins the main namespace', send: '40', reply: /^40(\{.*\})$/, greeting: '42["auth",{}]' },
      { title: 'joins the main namespace with a payload', send: '40{"token":"123"}', reply: /^40(\{.*\})$/, greeting: '42["auth",{"token":"123"}]' },
      { title: 'joins another namespace', send: '40/custom,', reply: /^40\/custom,(\{.*\})$/, greeting: '42/custom,["auth",{}]' },
      { title: 'joins another namespace with a payload', send: '40/custom,{"token":"abc"}', reply: /^40\/custom,(\{.*\})$/, greeting: '42/custom,["auth",{"token":"abc"}]' },
    ];
    for (const { title, send, reply, greeting } of cases) {
      test(title, async () => {
        const wire = await Wire.session(socketIO);
        wire.send(send);
        const match = reply.exec(await wire.packet());
        assert.ok(match, 'a CONNECT packet of the namespace');
        assert.deepEqual(Object.keys(JSON.parse(match[1])), ['sid']);
        assert.equal(await wire.packet(), greeting);
        wire.close();
      });
    }

    test('refuses an unknown namespace and stays open', async () => {
      const wire = await Wire.session(socketIO);
      wire.send('40/random');
      assert.equal(await wire.packet(), '44/random,{"message":"Invalid namespace"}');
      wire.send('40');
      assert.match(await wire.packet(), /^40\{"sid":/);
      wire.close();
    });

    test('closes on a first packet that is no CONNECT', async () => {
      const wire = await Wire.session(socketIO);
      wire.send('4abc');
      await wire.closedAnsweringPings(900);
    });

    test('closes when no CONNECT comes', async () => {
      const started = Date.now();
      const wire = await Wire.session(socketIO);
      await wire.closedAnsweringPings();
      const took = Date.now() - started;
      assert.ok(took > 900, `closed after ${took} ms, before the connect timeout`);
      assert.deepEqual(wire.extra, []);
    });
  });
}

function disconnecting() {
  describe('disconnect', () => {
    test('leaves the main namespace and keeps the connection', async () => {
      const wire = await Wire.connect();
      wire.send('41');
      assert.equal(await wire.next(), '2');
      wire.close();
    });

    test('leaves another namespace and keeps the main one', async () => {
      const wire = await Wire.connect();
      wire.send('40/custom');
      assert.match(await wire.packet(), /^40\/custom,\{"sid":/);
      assert.equal(await wire.packet(), '42/custom,["auth",{}]');
      wire.send('41/custom');
      wire.send('42["message","message to main namespace"]');
      assert.equal(await wire.packet(), '42["message-back","message to main namespace"]');
      wire.close();
    });
  });
}

function socketMessages() {
  describe('messages', () => {
    // Two attachments that overtake each other cannot be told apart: where frames are handled at once there is one.
    const attachments = [binaryFrame([1, 2, 3]), binaryFrame([4, 5, 6])].slice(0, ordered ? 2 : 1);
    const count = attachments.length;
    const binary = attachments.map((_, num) => `{"_placeholder":true,"num":${num}}`).join();
    const cases = [
      { title: 'echoes an event', send: ['42["message",1,"2",{"3":[true]}]'], reply: ['42["message-back",1,"2",{"3":[true]}]'] },
      {
        title: 'echoes an event with attachments',
        send: [`45${count}-["message",${binary}]`, ...attachments],
        reply: [`45${count}-["message-back",${binary}]`, ...attachments],
      },
      { title: 'acknowledges an event', send: ['42456["message-with-ack",1,"2",{"3":[false]}]'], reply: ['43456[1,"2",{"3":[false]}]'] },
      {
        title: 'acknowledges an event with attachments',
        send: [`45${count}-789["message-with-ack",${binary}]`, ...attachments],
        reply: [`46${count}-789[${binary}]`, ...attachments],
      },
    ];
    for (const { title, send, reply } of cases) {
      test(title, async () => {
        const wire = await Wire.connect();
        for (const frame of send) wire.send(frame);
        for (const want of reply) assert.deepEqual(await wire.packet(), want);
        wire.close();
      });
    }

    const invalid = [
      ['an unknown packet type', '4abc'],
      ['a payload that is no array', '42{}'],
      ['an ack id that is no number', '42abc["message-with-ack",1,"2",{"3":[false]}]'],
    ];
    for (const [title, packet] of invalid) {
      test(`closes the connection on ${title}`, async () => {
        const wire = await Wire.connect();
        wire.send(packet);
        await wire.closedAnsweringPings();
        assert.deepEqual(wire.extra, []);
      });
    }
  });
}
