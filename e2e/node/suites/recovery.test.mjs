// What the suite "connection state recovery" of socket.io checks: docs/reference-suites.md has its titles. The server
// runs the application "suites". NONSTICK_RECOVERY says which of its tests there are: those with recovery "on", those
// where it runs middleware ("checked"), or those with recovery "off".

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { cleanUp } from '../clients.mjs';
import {
  Raw, ask, assertMissed, comeBack, gotEvents, lostClient, lostRaw, modes, newRoom, official, sender, transports,
} from '../recovery.mjs';
import { test } from '../wire.mjs';

cleanUp();

/** Registers a test for a state of recovery: raw clients of each transport, then the official one in each mode. */
function registered(state, title, raw, client) {
  if (state !== process.env.NONSTICK_RECOVERY) return;
  test(title, async () => {
    for (const transport of transports) await within(`raw, ${transport}`, raw(transport));
    for (const mode of modes) await within(mode, client(mode));
  });
}

/** Says in which way a check failed. */
async function within(way, check) {
  try {
    await check;
  } catch (error) {
    error.stack = `${way}: ${error.stack}`;
    throw error;
  }
}

/** Emits to all, to a room and to a socket. */
async function emitThree(from, room, id) {
  await from.cast(null, 'hello1', 1);
  await from.cast(room, 'hello2', 2);
  await from.cast(id, 'hello3', 3);
}

const three = [['hello1', 1], ['hello2', 2], ['hello3', 3]];

/** Loses a raw client and has it come back; what the server says of its socket then. */
async function stateOfRaw(transport, auth) {
  const from = await sender();
  const { old, offset } = await lostRaw(transport, from, auth);
  const back = await Raw.connect(transport, old.offer(offset));
  return { id: old.id, state: await back.ask('state') };
}

/** The same of an official client. */
async function stateOfClient(mode, auth) {
  const from = await sender();
  const { socket, id } = await lostClient(mode, from, auth);
  await comeBack(socket);
  assert.equal(socket.recovered, true);
  return { id, state: await ask(socket, 'state') };
}

function assertRestored({ id, state }, rooms) {
  assert.deepEqual(state, { id, recovered: true, rooms: [...rooms].sort(), checked: 1, foo: 'bar' });
}

/** Checks how often the middleware has seen a socket that was recovered once. */
function assertChecked(times, { id, state }) {
  assert.deepEqual([state.id, state.recovered, state.checked], [id, true, times]);
}

describe('recovery', () => {
  registered('on', 'gives back the session, and what was missed, once and in order', async (transport) => {
    const [from, room] = [await sender(), newRoom()];
    const { old, offset } = await lostRaw(transport, from, { rooms: [room] });
    await emitThree(from, room, old.id);
    const back = await Raw.connect(transport, old.offer(offset));
    assert.deepEqual(back.answer, { sid: old.id, pid: old.pid });
    await assertMissed(back, three);
  }, async (mode) => {
    const [from, room] = [await sender(), newRoom()];
    const { socket, id } = await lostClient(mode, from, { rooms: [room] });
    await emitThree(from, room, id);
    await comeBack(socket);
    assert.deepEqual([socket.recovered, socket.id], [true, id]);
    await from.cast(id, 'last');
    assert.deepEqual(await gotEvents(socket, 4), [...three, ['last']]);
  });

  registered('on', 'gives back rooms and data', async (transport) => {
    const rooms = [newRoom(), newRoom()];
    assertRestored(await stateOfRaw(transport, { rooms, foo: 'bar' }), rooms);
  }, async (mode) => {
    const rooms = [newRoom(), newRoom()];
    assertRestored(await stateOfClient(mode, { rooms, foo: 'bar' }), rooms);
  });

  registered('on', 'passes middleware by', async (transport) => {
    assertChecked(1, await stateOfRaw(transport));
  }, async (mode) => {
    assertChecked(1, await stateOfClient(mode));
  });

  registered('checked', 'runs middleware where the application says so', async (transport) => {
    assertChecked(2, await stateOfRaw(transport));
  }, async (mode) => {
    assertChecked(2, await stateOfClient(mode));
  });

  registered('on', 'is refused where the session is not known: the socket is new', async (transport) => {
    const raw = await Raw.connect(transport, { pid: 'foo', offset: 'bar' });
    assert.ok(raw.id && raw.pid);
    assert.notEqual(raw.pid, 'foo');
    assert.equal((await raw.ask('state')).recovered, false);
  }, async (mode) => {
    const socket = await official(mode, { pid: 'foo', offset: 'bar' });
    assert.equal(Boolean(socket.recovered), false);
    assert.equal((await ask(socket, 'state')).recovered, false);
  });

  registered('off', 'is off where nothing is said: no pid, no offsets, and what a client offers changes nothing', async (transport) => {
    const from = await sender();
    const raw = await Raw.connect(transport);
    assert.deepEqual(Object.keys(raw.answer), ['sid']);
    await from.cast(raw.id, 'hello', 1);
    assert.match(await raw.packet(), /^42\/recovery,\["hello",1\]$/);
    await raw.lose();
    await from.lost(raw.id);
    const back = await Raw.connect(transport, { pid: 'foo', offset: 'bar' });
    assert.deepEqual(Object.keys(back.answer), ['sid']);
    assert.notEqual(back.id, raw.id);
  }, async (mode) => {
    const from = await sender();
    const { socket, id } = await lostClient(mode, from);
    await from.cast(id, 'missed');
    await comeBack(socket);
    assert.equal(Boolean(socket.recovered), false);
    assert.notEqual(socket.id, id);
    assert.deepEqual((await ask(socket, 'state')).recovered, false);
    assert.deepEqual(socket.got, [['connect']]);
  });
});
