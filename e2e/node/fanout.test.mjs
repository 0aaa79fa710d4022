// The official client against the app "bench" on the functions of the template, with so low a limit that broadcasts to this
// room go through the queue and the fan-out function. Each arrives once, and those of one sender in order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { modes, cleanUp, connectIn, until, assertSequence } from './clients.mjs';
import { base } from './wire.mjs';

cleanUp();

const members = 24;
const each = 10;

/** What the stack has counted about a function. */
async function counts(name) {
  const state = await (await fetch(new URL('/localdev/state', base))).json();
  return state.functions.find((f) => f.function === name);
}

test('a large room hears everything once, and each sender in order', async () => {
  const names = Object.keys(modes);
  const room = `large-${process.pid}`;
  const all = await Promise.all(Array.from({ length: members }, (_, i) => connectIn(names[i % names.length])));
  const heard = all.map((socket) => {
    const bySender = new Map();
    socket.on('broadcast', ({ from, seq }) => bySender.set(from, [...(bySender.get(from) ?? []), seq]));
    return (from) => bySender.get(from) ?? [];
  });
  const stranger = await connectIn('websocket');
  let strange = 0;
  stranger.on('broadcast', () => strange++);
  await Promise.all(all.map((socket) => socket.emitWithAck('join', room)));

  const before = await counts('FanoutFunction');
  const senders = all.slice(0, names.length); // one of each transport
  await Promise.all(senders.map(async (socket, from) => {
    // One after the other: an acknowledged broadcast is queued, and what is queued keeps its order.
    for (let seq = 0; seq < each; seq++) assert.equal(await socket.emitWithAck('broadcast', { room, from, seq }), true);
  }));
  const complete = () => heard.every((got) => senders.every((_, from) => got(from).length >= each));
  await until(complete, () => `heard: ${heard.map((got) => senders.map((_, from) => got(from).length))}`, 30_000);
  await sleep(300); // for what should not come
  for (const [i, got] of heard.entries()) {
    for (const from of senders.keys()) assertSequence(got(from), each, `sender ${from} as heard by ${i}`);
  }
  assert.equal(strange, 0);

  const after = await counts('FanoutFunction');
  const carried = after.invocations - before.invocations;
  console.log(`# ${carried} parts of ${senders.length * each} broadcasts, in at most ${after.peak} environments at a time`);
  assert.equal(carried, 16 * senders.length * each);
  assert.equal(after.errors + after.crashes + after.timeouts, 0);
});

test('a small room needs no queue', async () => {
  const [one, two] = [await connectIn('websocket'), await connectIn('polling')];
  const room = `small-${process.pid}`;
  await Promise.all([one, two].map((socket) => socket.emitWithAck('join', room)));
  const got = [];
  two.on('broadcast', ({ seq }) => got.push(seq));
  const before = await counts('FanoutFunction');
  for (let seq = 0; seq < each; seq++) await one.emitWithAck('broadcast', { room, seq });
  await until(() => got.length >= each, 'something did not come');
  assertSequence(got, each, 'broadcasts');
  assert.equal((await counts('FanoutFunction')).invocations, before.invocations);
});
