// The official client against the app "bench": rooms and broadcasts over mixed transports, and bursts
// in both directions while a client moves from polling to WebSocket. Every message must arrive exactly
// once, and those of one sender in order.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  modes, cleanUp, start, once, connect, connected, connectIn, upgraded, until, assertSequence, assertSent,
} from './clients.mjs';
import { test } from './wire.mjs';

cleanUp();

let rooms = 0;
const newRoom = () => `room-${process.pid}-${rooms++}`;

/** Collects what arrives as "broadcast", by sender. */
function collect(socket) {
  const bySender = new Map();
  socket.on('broadcast', ({ from, seq }) => {
    if (!bySender.has(from)) bySender.set(from, []);
    bySender.get(from).push(seq);
  });
  return (from) => bySender.get(from) ?? [];
}

/** Joins a room and collects what arrives in it. */
async function join(socket, room) {
  const got = collect(socket);
  await socket.emitWithAck('join', room);
  return got;
}

const broadcast = (socket, room, from, seq) => socket.emitWithAck('broadcast', { room, from, seq });

for (const mode of Object.keys(modes)) {
  describe(`rooms over ${mode}`, () => {
    test('reach their members, the sender too, and nobody else', async () => {
      const [member, other] = [await connectIn(mode), await connectIn(mode)];
      const room = newRoom();
      const inside = await join(member, room);
      const outside = collect(other);
      assert.equal(await broadcast(member, room, 'member', 0), true);
      assert.equal(await broadcast(other, room, 'other', 0), true);
      await until(() => inside('other').length === 1, 'the broadcast did not come');
      assert.deepEqual(inside('member'), [0]);
      await other.emitWithAck('echo', 'whatever was on its way is here now');
      assert.deepEqual([outside('member'), outside('other')], [[], []]);
    });

    test('are left', async () => {
      const [leaver, stayer] = [await connectIn(mode), await connectIn(mode)];
      const room = newRoom();
      const left = await join(leaver, room);
      const stayed = await join(stayer, room);
      await leaver.emitWithAck('leave', room);
      await broadcast(stayer, room, 'stayer', 0);
      await until(() => stayed('stayer').length === 1, 'the broadcast did not come');
      await leaver.emitWithAck('echo', 1);
      assert.deepEqual(left('stayer'), []);
    });

    test('a member of two rooms gets each broadcast once', async () => {
      const socket = await connectIn(mode);
      const [one, two] = [newRoom(), newRoom()];
      const got = await join(socket, one);
      await socket.emitWithAck('join', two);
      await socket.emitWithAck('join', two);
      await broadcast(socket, one, 'me', 0);
      await broadcast(socket, two, 'me', 1);
      await until(() => got('me').length >= 2, 'the broadcasts did not come');
      await sleep(100);
      assertSequence(got('me'), 2, 'broadcasts');
    });

    test('a broadcast without a room reaches everybody', async () => {
      const [one, two] = [await connectIn(mode), await connectIn('websocket')];
      const from = newRoom();
      const seen = [collect(one), collect(two)];
      await broadcast(one, null, from, 0);
      await until(() => seen.every((got) => got(from).length === 1), 'somebody got nothing');
    });

    test('are left at a disconnect, and not joined again by a reconnect', async () => {
      const [comes, stays] = [await connectIn(mode), await connectIn('websocket')];
      const room = newRoom();
      const gone = await join(comes, room);
      const stayed = await join(stays, room);
      comes.disconnect();
      assert.equal(await broadcast(stays, room, 'stays', 0), true);
      comes.connect();
      await connected(comes);
      await broadcast(stays, room, 'stays', 1);
      await until(() => stayed('stays').length === 2, 'the broadcasts did not come');
      await comes.emitWithAck('echo', 1);
      assert.deepEqual(gone('stays'), []);
    });
  });
}

test('clients of all transports in one room hear each other, once and in order', async () => {
  const room = newRoom();
  const names = Object.keys(modes);
  const members = await Promise.all(names.map(async (name) => {
    const socket = await connectIn(name);
    return { name, socket, got: await join(socket, room) };
  }));
  const each = 40;
  await Promise.all(members.map(async ({ name, socket }) => {
    const acks = [];
    for (let seq = 0; seq < each; seq++) acks.push(broadcast(socket, room, name, seq));
    await Promise.all(acks);
  }));
  const complete = () => members.every(({ got }) => names.every((name) => got(name).length >= each));
  await until(complete, 'something did not come');
  await sleep(200);
  for (const { name, got } of members) {
    for (const from of names) assertSent(from, got(from), each, `${from} as heard by ${name}`);
  }
});

describe('a burst', () => {
  for (const mode of Object.keys(modes)) {
    test(`from the server over ${mode}`, async () => {
      const socket = start(modes[mode]);
      const got = [];
      socket.on('self', (i) => got.push(i));
      await connected(socket);
      socket.emit('to-self', 300);
      await until(() => got.length >= 300, () => `${got.length} of 300 came`);
      await socket.emitWithAck('echo', 1);
      assertSequence(got.map((i) => i - got[0]), 300, 'self');
    });

    test(`from the client over ${mode}`, async () => {
      const socket = start(modes[mode]);
      const acked = [];
      for (let i = 0; i < 300; i++) socket.emit('echo', i, (back) => acked.push(back));
      await until(() => acked.length >= 300, () => `${acked.length} of 300 came`);
      await sleep(100);
      assertSent(mode, acked, 300, 'acks');
    });
  }

  test('in both directions during an upgrade', async () => {
    const socket = start(modes.upgrade);
    const room = newRoom();
    const got = await join(socket, room);
    const burst = emitAcross(socket, (seq) => socket.emit('broadcast', { room, from: 'me', seq }));
    const count = await burst;
    await until(() => got('me').length >= count, () => `${got('me').length} of ${count} came`);
    await sleep(200);
    assertSent('upgrade', got('me'), count, 'broadcasts to myself');
  });

  test('acknowledged during an upgrade', async () => {
    const socket = await connect(modes.upgrade);
    const acked = [];
    const count = await emitAcross(socket, (seq) => socket.emit('echo', seq, (back) => acked.push(back)));
    await until(() => acked.length >= count, () => `${acked.length} of ${count} came`);
    await sleep(100);
    assertSent('upgrade', acked, count, 'acks');
  });

  test('from others, while ten members upgrade', async () => {
    const room = newRoom();
    const senders = [await connectIn('websocket'), await connectIn('polling')];
    const members = await Promise.all(Array.from({ length: 10 }, () => joinBeforeUpgrade(room)));
    const each = 60;
    const sending = senders.map(async (socket, from) => {
      for (let seq = 0; seq < each; seq++) await broadcast(socket, room, from, seq);
    });
    await Promise.all([...sending, ...members.map(({ socket }) => upgraded(socket))]);
    const complete = () => members.every(({ got }) => senders.every((_, from) => got(from).length >= each));
    await until(complete, 'something did not come');
    await sleep(200);
    for (const { got } of members) {
      for (const from of senders.keys()) assertSequence(got(from), each, `broadcasts of ${from}`);
    }
  });
});

/** Emits a few messages every few milliseconds, from before the upgrade until well after it. */
async function emitAcross(socket, emit) {
  let seq = 0;
  let after = 0;
  while (after < 10) {
    for (let i = 0; i < 5; i++) emit(seq++);
    await sleep(5);
    if (socket.io.engine.transport.name === 'websocket') after++;
    if (seq > 5_000) assert.fail('did not upgrade');
  }
  return seq;
}

/** A client that joins in the same moment in which it starts its upgrade. */
async function joinBeforeUpgrade(room) {
  const socket = start(modes.upgrade);
  const got = collect(socket);
  await once(socket, 'connect');
  await socket.emitWithAck('join', room);
  return { socket, got };
}
