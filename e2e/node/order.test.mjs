// The order of what one client emits, with the app "faults": numbered events over many connections, with functions that start cold
// and are killed. The journal says which were handled, in which order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, modes } from './clients.mjs';
import { Journal, agree, back, countsOf, gateway, join, patience } from './stack.mjs';

const total = Number(process.env.NONSTICK_EVENTS);
const connections = Number(process.env.NONSTICK_CONNECTIONS);
const pause = Number(process.env.NONSTICK_EVENT_PAUSE); // ms between two events of a client
const jitter = Number(process.env.NONSTICK_JITTER); // ms within which API Gateway may change the order
const kills = Number(process.env.NONSTICK_KILLS);
const ordered = process.env.NONSTICK_INBOUND === 'ordered';
const server = ordered ? 'InboundFunction' : 'WebSocketFunction';

cleanUp();

test('numbered events', { timeout: 1_800_000 }, async (t) => {
  const journal = new Journal();
  const sent = new Map(); // by the socket's id: when each number was emitted
  const lost = new Set(); // ids whose connection was cut
  let done = 0;
  const clients = await Promise.all(Array.from({ length: connections }, () => join({ ...modes.websocket, forceBase64: true })));
  for (const socket of clients) {
    let id = socket.id;
    socket.on('connect', () => { id = socket.id; });
    socket.on('disconnect', () => lost.add(id));
  }
  const emitAll = async (socket, n) => {
    for (let i = 0; i < n; i++) {
      await back(socket);
      const times = sent.get(socket.id) ?? sent.set(socket.id, new Map()).get(socket.id);
      times.set(i, performance.now());
      socket.emit('note', String(i));
      done++;
      await sleep(pause);
    }
  };
  const killer = (async () => {
    let killed = 0;
    for (let k = 1; k <= kills; k++) {
      while (done < (total * k) / (kills + 1)) await sleep(5);
      for (let tries = 0; tries < 400; tries++) { // one that is at work, if there is one
        const { pids, busy } = await countsOf(server);
        if (busy === 0 || pids.length === 0) { await sleep(5); continue; }
        try { process.kill(pids[Math.floor(Math.random() * pids.length)], 'SIGKILL'); killed++; } catch { /* it has ended by itself */ }
        break;
      }
    }
    return killed;
  })();
  await Promise.all(clients.map((socket) => emitAll(socket, total / connections)));
  const killed = await killer;
  const handled = () => {
    const by = new Map();
    for (const [id, text] of journal.lines('note')) (by.get(id) ?? by.set(id, []).get(id)).push(Number(text));
    return by;
  };
  // A client that was not cut has had everything handled; one that was has been told.
  const missing = () => {
    const by = handled();
    let n = 0;
    for (const [id, times] of sent) if (!lost.has(id)) n += times.size - new Set(by.get(id)).size;
    return n;
  };
  await agree(missing, () => 0, 'events of connections that live were not handled', 4 * patience);
  let moved = 0, twice = 0, all = 0;
  for (const [id, numbers] of handled()) {
    all += numbers.length;
    twice += numbers.length - new Set(numbers).size;
    let last = -1;
    for (const n of numbers) {
      if (n < last) moved++; else last = n;
    }
  }
  const overtaken = (await gateway()).overtaken; // by API Gateway itself, which received them within its jitter
  const wrong = Math.max(0, moved - overtaken);
  const { coldStarts, crashes, invocations } = await countsOf(server);
  console.log(`${process.env.NONSTICK_INBOUND}: ${total} events over ${connections} connections, handled ${all}, out of order ${moved}, but for ${overtaken} that`
    + ` API Gateway received within the jitter of ${jitter} ms ${wrong}; twice ${twice}, connections cut ${lost.size}, killed ${killed};`
    + ` ${invocations} invocations, ${coldStarts} cold starts, ${crashes} crashes`);
  assert.equal(twice, 0, 'events handled twice');
  if (ordered) assert.equal(wrong, 0, 'events out of order');
  if (kills > 0) assert.ok(crashes > 0, 'no function was killed at work');
  else assert.equal(lost.size, 0, 'connections cut without a fault');
});
