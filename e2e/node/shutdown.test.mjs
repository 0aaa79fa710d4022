// A server that ends all sessions, as the official client meets it: it comes back by itself. The server runs the
// application "cases", in several instances, for this file alone.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, connect, modes, once, until } from './clients.mjs';
import { test } from './wire.mjs';

cleanUp();

const patience = 30_000;

test('all clients are cut off one after the other, and come back by themselves', async () => {
  const all = Object.values(modes);
  const clients = await Promise.all(Array.from({ length: 12 }, (_, i) => connect({
    reconnectionDelay: 50, reconnectionDelayMax: 100, ...all[i % all.length],
  })));
  const watcher = clients[0];
  const cuts = [];
  for (const socket of clients) {
    socket.on('disconnect', (reason) => cuts.push({ reason, at: performance.now() }));
  }
  const ids = clients.map((socket) => socket.id);
  assert.equal(await watcher.timeout(patience).emitWithAck('shutdown', 3_000), true);
  await until(() => cuts.length >= clients.length, () => `${cuts.length} were cut off`, patience);
  await until(() => clients.every((socket) => socket.connected), () => 'some did not come back', patience);
  await sleep(500);
  assert.equal(cuts.length, clients.length, 'each is cut off once');
  for (const { reason } of cuts) {
    assert.ok(['transport close', 'transport error'].includes(reason), reason);
  }
  assert.ok(cuts.at(-1).at - cuts[0].at > 1_500, 'they were cut off all at once');
  assert.ok(clients.every((socket, i) => socket.id !== ids[i]), 'some have the id of before');
  assert.equal(await watcher.timeout(patience).emitWithAck('str', 'still here'), 'still here');
});
