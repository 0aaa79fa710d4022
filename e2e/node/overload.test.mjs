// A load above the concurrency of the functions (10 environments for WebSocket, 8 for polling), with the app "faults":
// what throttled clients go through, and that nothing is stuck when the load is over.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { modes, cleanUp, start } from './clients.mjs';
import { Polling, Wire, request, socketIO } from './wire.mjs';
import { Journal, agree, back, counts, countsOf, knownSockets, patience } from './stack.mjs';

const environments = { websocket: 10, polling: 8 };
const functionOf = { websocket: 'WebSocketFunction', polling: 'PollingFunction' };
const clients = { websocket: 10, polling: 4 };
const guests = 3; // polling clients that are there during the load only
const loadTime = 6_000;
const pace = 250; // between two bursts of a client
const burst = { websocket: 4, polling: 2 };
const handling = 60; // milliseconds that an event keeps its function busy

cleanUp();

test('frames above the concurrency get the error frame, and are not handled', async () => {
  const sent = 4 * environments.websocket;
  const journal = new Journal();
  const wire = await Wire.session(socketIO);
  wire.send('40');
  await wire.packet();
  const before = await countsOf('WebSocketFunction');
  for (let i = 0; i < sent; i++) wire.send(`42${i}["sleep",500,"n${i}"]`);
  const acks = [];
  const errors = [];
  while (acks.length + errors.length < sent) {
    const frame = await wire.packet();
    if (frame.startsWith('43')) acks.push(Number(/^43(\d+)\[\d+\]$/.exec(frame)[1]));
    else errors.push(JSON.parse(frame));
  }
  for (const error of errors) {
    assert.deepEqual(Object.keys(error), ['message', 'connectionId', 'requestId']);
    assert.equal(error.message, 'Internal server error');
  }
  const after = await countsOf('WebSocketFunction');
  console.log(`# ${sent} frames at once: ${acks.length} acks, ${errors.length} error frames`);
  assert.ok(errors.length > 0 && acks.length > 0);
  assert.equal(after.throttles - before.throttles, errors.length, 'throttles as counted');
  assert.equal(after.peak, environments.websocket);
  const handled = journal.lines('note').map(([, text]) => Number(text.slice(1)));
  assert.deepEqual(handled.sort((a, b) => a - b), acks.sort((a, b) => a - b), 'what was handled, and what was acknowledged');
  wire.send(`42${sent}["note","still here"]`); // the connection lives: it is the client that closes it
  assert.match(await wire.packet(), new RegExp(`^43${sent}\\[`));
  wire.close();
});

test('requests above the concurrency get 503', async () => {
  const parked = environments.polling + 4;
  const sessions = [];
  for (let i = 0; i < parked; i++) sessions.push(await Polling.open(socketIO));
  const before = await countsOf('PollingFunction');
  const answers = await Promise.all(sessions.map((session) => session.get()));
  const after = await countsOf('PollingFunction');
  const refused = answers.filter(({ status }) => status === 503);
  console.log(`# ${parked} requests at once: ${refused.length} with 503`);
  assert.ok(refused.length > 0);
  for (const { text } of refused) assert.equal(text, '{"message":"Service Unavailable"}');
  for (const { status } of answers) assert.ok(status === 200 || status === 503, `status ${status}`);
  assert.equal(after.throttles - before.throttles, refused.length, 'throttles as counted');
  assert.equal((await request('GET', socketIO)).status, 200, 'afterwards');
});

test('official clients come back, and nothing is stuck', { timeout: 150_000 }, async () => {
  const journal = new Journal();
  const before = await counts();
  const members = Object.keys(clients).flatMap((mode) => Array.from({ length: clients[mode] }, (_, i) => new Member(mode, i)));
  const visitors = Array.from({ length: guests }, (_, i) => new Member('polling', clients.polling + i));
  const all = [...members, ...visitors];
  await load(all);
  for (const { socket } of visitors) socket.disconnect();
  const began = Date.now();
  for (const member of members) await member.again();
  console.log(`# all back ${Date.now() - began} ms after the load`);
  await agree(knownSockets, () => members.map(({ socket }) => socket.id).sort(), 'sockets that the server knows');
  console.log(`# the server knows exactly the clients that live ${Date.now() - began} ms after the load`);
  const after = await counts();
  report(all, before, after);
  for (const mode of ['websocket', 'polling']) checkCounts(mode, all, before, after);
  for (const { socket } of members) socket.disconnect();
  await agree(knownSockets, () => [], 'sockets that the server knows when all have left');
  await agree(busy, () => [0, 0], 'environments that are busy when all have left');
  checkJournal(journal, all);
  await checkQueues();
});

/** A client under load, and what it goes through. */
class Member {
  constructor(mode, id) {
    Object.assign(this, { mode, id, sent: 0, acked: new Map(), connects: 0, losses: [], errors: [] });
    this.socket = start({ ...modes[mode], reconnectionDelay: 100, reconnectionDelayMax: 500, timeout: 10_000 });
    this.socket.on('connect', () => { this.connects++; });
    this.socket.on('disconnect', (reason) => this.losses.length < this.connects && this.losses.push(reason)); // told also if CONNECT failed
    this.socket.io.on('error', (error) => this.errors.push(error));
  }

  /** Emits events, each of which keeps a function busy for a while. */
  burst() {
    if (!this.socket.connected) return; // else the client would keep them until it is
    for (let i = 0; i < burst[this.mode]; i++) {
      const text = `${this.mode}-${this.id}-${this.sent++}`;
      this.socket.emit('sleep', handling, text, () => this.acked.set(text, (this.acked.get(text) ?? 0) + 1));
    }
  }

  /** Waits until the client is connected and an event of it is acknowledged. */
  async again() {
    for (const deadline = Date.now() + patience; ;) {
      try {
        await back(this.socket);
        await this.socket.timeout(3_000).emitWithAck('note', 'again');
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
  }

  /** The errors that throttles are: the error frame of the service, 502 for a WebSocket, 503 for a request. */
  get throttled() {
    return this.errors.filter(({ code, description }) => (
      code === 'parser error' || description === 503 || description?.message === 'Unexpected server response: 502'
    ));
  }
}

/** Lets each client emit at its pace, one after the other. */
async function load(all) {
  const end = Date.now() + loadTime;
  await Promise.all(all.map(async (member, i) => {
    await sleep((i * pace) / all.length);
    for (; Date.now() < end; await sleep(pace)) member.burst();
  }));
}

/** What clients saw fits what was counted; each that was thrown out came back; and no function failed. */
function checkCounts(mode, all, before, after) {
  const mine = all.filter((member) => member.mode === mode);
  const seen = mine.flatMap(({ throttled }) => throttled).length;
  const [was, is] = [before, after].map(({ functions }) => functions[functionOf[mode]]);
  const counted = is.throttles - was.throttles;
  assert.ok(seen > 0, `${mode}: no client saw a throttle`);
  assert.ok(counted >= seen, `${mode}: ${counted} throttles, clients saw ${seen}`);
  assert.deepEqual([is.errors, is.crashes, is.timeouts], [was.errors, was.crashes, was.timeouts], `${mode}: errors, crashes, timeouts`);
  for (const { connects, losses, id } of mine) {
    assert.equal(losses.length, connects - (id < clients[mode] ? 1 : 0), `${mode} ${id}: lost ${losses} in ${connects} connects`);
  }
}

/** Every event was handled once at most, and if it was acknowledged once; every socket has left once. */
function checkJournal(journal, all) {
  const handled = tally(journal.lines('note').map(([, text]) => text).filter((text) => text !== 'again'));
  for (const [text, n] of handled) assert.equal(n, 1, `${text} was handled ${n} times`);
  for (const { acked } of all) {
    for (const [text, n] of acked) {
      assert.equal(n, 1, `${text} was acknowledged ${n} times`);
      assert.ok(handled.has(text), `${text} was acknowledged, and not handled`);
    }
  }
  const joined = tally(journal.lines('joined').map(([id]) => id));
  const left = tally(journal.lines('left').map(([id]) => id));
  assert.deepEqual([...left].sort(), [...joined].sort(), 'how often each socket has left, and joined');
}

function tally(all) {
  const found = new Map();
  for (const each of all) found.set(each, (found.get(each) ?? 0) + 1);
  return found;
}

async function busy() {
  const { functions } = await counts();
  return Object.values(functionOf).map((name) => functions[name].busy);
}

async function checkQueues() {
  for (const { queue, visible, hidden, dead } of Object.values((await counts()).queues)) {
    if (queue === 'HeartbeatQueue') continue; // its message is there as long as sessions are
    assert.deepEqual({ visible, hidden, dead }, { visible: 0, hidden: 0, dead: 0 }, queue);
  }
}

function report(all, before, after) {
  for (const mode of ['websocket', 'polling']) {
    const mine = all.filter((member) => member.mode === mode);
    const sum = (of) => mine.reduce((n, member) => n + of(member), 0);
    const counted = after.functions[functionOf[mode]].throttles - before.functions[functionOf[mode]].throttles;
    console.log(
      `# ${mode}: ${mine.length} clients, ${sum(({ sent }) => sent)} events, ${sum(({ acked }) => acked.size)} acks, `
      + `${sum(({ connects }) => connects)} connects, ${sum(({ throttled }) => throttled.length)} of ${counted} throttles seen`,
    );
    const told = ({ message, code, description }) => `${message} (${code ?? description?.message ?? description ?? ''})`;
    console.log('#  losses:', Object.fromEntries(tally(mine.flatMap(({ losses }) => losses))));
    console.log('#  errors:', Object.fromEntries(tally(mine.flatMap(({ errors }) => errors.map(told)))));
  }
}
