// Functions that crash, hang and run out of memory, with the app "faults" and a timeout of a few seconds: what their
// clients see, that the platform counts it, and that no session, socket or process is stuck afterwards.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { modes, cleanUp, once, start } from './clients.mjs';
import { Polling, socketIO } from './wire.mjs';
import { Journal, agree, back, counts, countsOf, isAlive, join, knownSockets, patience } from './stack.mjs';

const timeout = Number(process.env.NONSTICK_TIMEOUT) * 1000;
const functionOf = { websocket: 'WebSocketFunction', polling: 'PollingFunction' };

const all = new Journal();

cleanUp();

/** Clients whose disconnect handler ended its process: the queue brings their end again when the dead one's lease is over. */
const leavers = [];

before(async () => {
  for (const mode of Object.keys(functionOf)) leavers.push(await leaveBadly(mode));
});

for (const mode of Object.keys(functionOf)) {
  describe(mode, () => {
    for (const [fault, counted] of Object.entries({
      exit: { errors: 1, crashes: 1, timeouts: 0 },
      allocate: { errors: 1, crashes: 0, timeouts: 0 },
      hang: { errors: 1, crashes: 0, timeouts: 1 },
    })) {
      test(`${fault}: an error of the platform, and the client comes back`, () => fails(mode, fault, counted));
    }
    test('a crash at CONNECT: the client tries again', () => crashesAtConnect(mode));
    test('panic: the server catches it, nothing is acknowledged and nobody is thrown out', () => panics(mode));
  });
}

test('hang: other frames of the same connection are served meanwhile', async () => {
  const socket = await join(modes.websocket);
  const left = once(socket, 'disconnect', timeout + patience);
  const began = Date.now();
  socket.emit('hang');
  for (let i = 0; i < 3; i++) await socket.timeout(patience).emitWithAck('note', `while another hangs ${i}`);
  assert.ok(Date.now() - began < timeout, 'the events were not acknowledged before the end of the one that hangs');
  await left;
  await back(socket);
});

test('a client that leaves: its disconnect handler runs once, though DISCONNECT and the end of its connection come together', async () => {
  const journal = new Journal();
  for (let round = 0; round < 8; round++) {
    const sockets = await Promise.all(Array.from({ length: 4 }, () => join(modes.websocket)));
    for (const socket of sockets) socket.disconnect();
  }
  await agree(knownSockets, () => []);
  const joined = journal.lines('joined').map(([id]) => id).sort();
  const left = () => journal.lines('left').map(([id]) => id).filter((id) => joined.includes(id)).sort(); // not of the test before
  await agree(left, () => joined, 'sockets that have left, and joined');
  assert.equal(joined.length, 32);
});

test('a crash of the heartbeat: it begins anew, and nobody stays away', { timeout: 150_000 }, async () => {
  const sockets = await Promise.all(Object.values(modes).map((mode) => join(mode)));
  await agree(async () => (await countsOf('HeartbeatFunction')).busy > 0, () => true, 'a heartbeat');
  const was = await countsOf('HeartbeatFunction');
  for (const pid of was.pids) process.kill(pid, 'SIGKILL');
  await agree(async () => (await countsOf('HeartbeatFunction')).crashes > was.crashes, () => true, 'a crash');
  const { invocations } = await countsOf('HeartbeatFunction');
  await agree(async () => { // by a message sent ahead, or by the requests of those who have had no ping
    const is = await countsOf('HeartbeatFunction');
    return is.invocations > invocations && is.busy > 0 && is.pids.some(isAlive);
  }, () => true, 'another heartbeat', 60_000);
  for (const socket of sockets) {
    await back(socket);
    await once(socket.io, 'ping', patience); // else it may still count from a ping before the crash
    await back(socket);
    await socket.timeout(patience).emitWithAck('note', 'after');
  }
  await agree(knownSockets, () => sockets.map((socket) => socket.id).sort());
  const silent = await vanish();
  let lost = 0;
  for (const socket of sockets) socket.on('disconnect', () => lost++);
  await agree(() => all.lines('left', silent), () => [[silent, 'ping timeout']], 'the end of a silent client', 90_000);
  assert.equal(lost, 0, 'clients that were lost with the heartbeat at work');
});

describe('a crash in the disconnect handler', () => {
  for (const index of Object.keys(Object.keys(functionOf))) {
    test(`the queue of ends has it run again, once (${Object.keys(functionOf)[index]})`, { timeout: 120_000 }, async () => {
      const { journal, id } = leavers[index];
      await agree(() => journal.lines('left', id), () => [[id, 'transport close'], [id, 'transport close']], 'runs', 90_000);
      await agree(knownSockets, () => []);
    });
  }
});

after(async () => {
  for (const [name, { errors, crashes, timeouts, coldStarts }] of Object.entries((await counts()).functions)) {
    console.log(`# ${name}: ${coldStarts} cold starts, ${errors} errors, ${crashes} crashes, ${timeouts} timeouts`);
  }
});

/** A client whose event goes wrong loses its connection, comes back as a new socket, and finds everything at work. */
async function fails(mode, fault, counted) {
  const journal = new Journal();
  const socket = await join(modes[mode]);
  const { id } = socket;
  assert.equal(typeof await socket.emitWithAck('note', 'before'), 'number');
  const was = await countsOf(functionOf[mode]);
  let acked = false;
  const lost = once(socket, 'disconnect', timeout + patience);
  socket.emit(fault, () => { acked = true; });
  const [reason, details] = await lost;
  assert.equal(reason, 'transport error');
  assertTold(mode, details);
  await back(socket);
  assert.notEqual(socket.id, id);
  assert.ok(!socket.recovered);
  assert.equal(typeof await socket.emitWithAck('note', 'after'), 'number');
  assert.equal(acked, false);
  await agree(() => journal.lines('left', id).length, () => 1, 'runs of the disconnect handler');
  await agree(knownSockets, () => [socket.id], 'sockets that the server knows');
  assert.deepEqual(await delta(functionOf[mode], was), counted);
  await assertProcessEnded(mode, journal.lines(fault, id));
}

/** What the client is told: the error frame of the service, which it cannot read, or the status of its request. */
function assertTold(mode, details) {
  if (mode === 'websocket') assert.equal(details.code, 'parser error');
  else assert.equal(details.description, 500);
}

/** How much the counts of a function have grown. */
async function delta(name, was) {
  const is = await countsOf(name);
  return Object.fromEntries(['errors', 'crashes', 'timeouts'].map((name) => [name, is[name] - was[name]]));
}

/** The process that wrote the one line has ended; those that localdev tells of live. */
async function assertProcessEnded(mode, lines) {
  assert.equal(lines.length, 1, 'the event was handled once');
  const pid = Number(lines[0][1]);
  await agree(() => isAlive(pid), () => false, `process ${pid}`);
  const { pids, peak, concurrency } = await countsOf(functionOf[mode]);
  assert.ok(!pids.includes(pid));
  for (const each of pids) assert.ok(isAlive(each), `process ${each}`);
  assert.ok(pids.length <= peak && peak <= concurrency, `${pids.length} processes, at most ${peak} before`);
}

async function crashesAtConnect(mode) {
  const was = await countsOf(functionOf[mode]);
  let round = 0;
  const auth = (give) => give(round++ === 0 ? { do: 'exit' } : {});
  const socket = start({ ...modes[mode], auth });
  const [error] = await once(socket, 'connect_error', patience);
  assertTold(mode, error);
  await back(socket);
  assert.equal(typeof await socket.emitWithAck('note', 'joined'), 'number');
  assert.equal(round, 2);
  assert.deepEqual(await delta(functionOf[mode], was), { errors: 1, crashes: 1, timeouts: 0 });
  await agree(knownSockets, () => [socket.id], 'sockets that the server knows');
  const joined = new Set(all.lines('joined').map(([id]) => id));
  for (const [id] of all.lines('left')) assert.ok(joined.has(id), `${id} has left, and had not joined`);
}

async function panics(mode) {
  const journal = new Journal();
  const socket = await join(modes[mode]);
  const { id } = socket;
  const was = await countsOf(functionOf[mode]);
  await assert.rejects(socket.timeout(1_000).emitWithAck('panic'), /timed out/);
  assert.equal(typeof await socket.emitWithAck('note', 'after'), 'number');
  assert.equal(socket.id, id);
  assert.deepEqual(await delta(functionOf[mode], was), { errors: 0, crashes: 0, timeouts: 0 });
  assert.deepEqual(journal.lines('left', id), []);
  const pid = Number(journal.lines('panic', id)[0][1]);
  assert.ok((await countsOf(functionOf[mode])).pids.includes(pid), 'its process goes on');
}

/** A polling client that polls no more: the heartbeat is to find it. */
async function vanish() {
  const session = await Polling.open(socketIO);
  await session.send('40');
  const [joined] = await session.packets();
  return JSON.parse(joined.slice(2)).sid;
}

/** A client leaves without a word to its namespace, and the process that runs its disconnect handler ends. */
async function leaveBadly(mode) {
  const journal = new Journal();
  const socket = await join({ ...modes[mode], reconnection: false });
  const { id } = socket;
  const was = await countsOf('CloseFunction');
  assert.equal(await socket.emitWithAck('leave-badly'), true);
  socket.io.engine.close();
  await agree(() => delta('CloseFunction', was), () => ({ errors: 1, crashes: 1, timeouts: 0 }), 'counts');
  return { journal, id };
}
