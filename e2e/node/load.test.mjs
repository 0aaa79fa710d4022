// Many official clients at once: rooms of ten, half of the clients polling and half upgrading, emits
// with acknowledgement and three broadcasts a second in all. Not one connection error is allowed; every
// message arrives exactly once, and in order per sender where frames are handled in order.
//
// LOAD_CLIENTS (50), LOAD_SECONDS (10) and LOAD_EMITS (20 a second in all) size it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { modes, cleanUp, start, connected, until, assertSent } from './clients.mjs';

const clients = Number(process.env.LOAD_CLIENTS ?? 50);
const seconds = Number(process.env.LOAD_SECONDS ?? 10);
const emitsPerSecond = Number(process.env.LOAD_EMITS ?? 20);
const broadcastsPerSecond = 3;
const roomSize = 10;

cleanUp();

test(`${clients} clients for ${seconds} s`, { timeout: (seconds + 120) * 1000 }, async () => {
  const errors = [];
  const members = await connectAll(errors);
  await Promise.all([
    repeat(broadcastsPerSecond, (n) => broadcastOnce(members[(n * 7) % clients])),
    repeat(emitsPerSecond, (n) => emitOnce(members[n % clients])),
  ]);
  await until(() => members.every(isComplete), () => missing(members), 30_000);
  await sleep(500);
  assert.deepEqual(errors, []);
  members.forEach(check);
  report(members);
});

/** Connects in batches: a crowd that comes at once is another test. */
async function connectAll(errors) {
  const members = [];
  while (members.length < clients) {
    const batch = Math.min(roomSize, clients - members.length);
    const from = members.length;
    members.push(...await Promise.all(Array.from({ length: batch }, (_, i) => connectOne(from + i, errors))));
  }
  for (const member of members) member.mates = members.filter(({ room }) => room === member.room);
  return members;
}

async function connectOne(id, errors) {
  const mode = id % 2 ? 'polling' : 'upgrade';
  const socket = start(modes[mode]);
  const member = { id, mode, socket, room: `load-${Math.floor(id / roomSize)}`, sent: 0, emits: [], acks: [], got: new Map() };
  socket.on('connect_error', (error) => errors.push(`${mode} ${id}: ${error.message}`));
  socket.on('disconnect', (reason) => errors.push(`${mode} ${id}: ${reason}`));
  socket.io.engine?.on('upgradeError', (error) => errors.push(`${mode} ${id}: ${error.message}`));
  socket.on('broadcast', ({ from, seq }) => {
    if (!member.got.has(from)) member.got.set(from, []);
    member.got.get(from).push(seq);
  });
  await connected(socket);
  await socket.timeout(20_000).emitWithAck('join', member.room);
  return member;
}

/** Calls act at an even pace, without waiting for it, for the time of the test. */
async function repeat(perSecond, act) {
  const started = Date.now();
  for (let n = 0; n < perSecond * seconds; n++) {
    await sleep(Math.max(0, started + (n * 1000) / perSecond - Date.now()));
    act(n);
  }
}

function broadcastOnce(member) {
  const { id, socket, room } = member;
  socket.emit('broadcast', { room, from: id, seq: member.sent++ });
}

function emitOnce(member) {
  const { length } = member.emits;
  member.emits.push(Date.now());
  member.socket.emit('echo', length, (back) => {
    member.acks.push(back);
    member.slowest = Math.max(member.slowest ?? 0, Date.now() - member.emits[length]);
  });
}

function isComplete(member) {
  const heard = member.mates.every(({ id, sent }) => (member.got.get(id)?.length ?? 0) >= sent);
  return heard && member.acks.length >= member.emits.length;
}

function missing(members) {
  const late = members.filter((member) => !isComplete(member));
  return `not complete: ${late.map(({ id, mode }) => `${mode} ${id}`).join(', ')}`;
}

function check(member) {
  assertSent(member.mode, member.acks, member.emits.length, `acks of ${member.mode} ${member.id}`);
  for (const { id, mode, sent } of member.mates) {
    assertSent(mode, member.got.get(id) ?? [], sent, `broadcasts of ${id} as heard by ${member.mode} ${member.id}`);
  }
  if (member.mode === 'upgrade') assert.equal(member.socket.io.engine.transport.name, 'websocket');
}

function report(members) {
  const sum = (of) => members.reduce((total, member) => total + of(member), 0);
  const heard = sum(({ got }) => [...got.values()].reduce((n, seqs) => n + seqs.length, 0));
  const slowest = Math.max(...members.map(({ slowest: ms }) => ms ?? 0));
  const emits = sum(({ emits: all }) => all.length);
  console.log(`# ${clients} clients, ${emits} emits, ${sum(({ sent }) => sent)} broadcasts heard ${heard} times, slowest ack ${slowest} ms`);
}
