// The official client against the app "bench" on the functions of the template, while these are deployed anew: connections
// belong to API Gateway and sessions to the table, so nobody notices.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { modes, cleanUp, connected, start, until, upgraded, assertSequence } from './clients.mjs';
import { agree, counts, patience } from './stack.mjs';
import { base } from './wire.mjs';

cleanUp();

const deployments = 2;
/** How long a client waits between two broadcasts, in milliseconds. */
const pace = Number(process.env.NONSTICK_PACE ?? 20);
const serving = ['PollingFunction', 'WebSocketFunction'];

async function deployAnew() {
  const res = await fetch(new URL('/localdev/deploy', base), { method: 'POST' });
  assert.equal(res.status, 200, await res.text());
}

async function processes() {
  const { functions } = await counts();
  return serving.flatMap((name) => functions[name].pids);
}

test('a deployment in the middle of traffic: nobody is cut off, nothing is lost', { timeout: 120_000 }, async () => {
  const room = `deploy-${process.pid}`;
  const names = Object.keys(modes).flatMap((mode) => [mode, mode]);
  const members = await Promise.all(names.map(async (mode) => {
    const socket = await connected(start(modes[mode]), patience); // others may keep the server busy
    if (mode === 'upgrade') await upgraded(socket, patience);
    const heard = new Map();
    socket.on('broadcast', ({ from, seq }) => heard.set(from, [...(heard.get(from) ?? []), seq]));
    await socket.emitWithAck('join', room);
    return { socket, heard, sent: 0 };
  }));
  const losses = [];
  for (const { socket } of members) socket.on('disconnect', (reason) => losses.push(reason));

  let over = false;
  const traffic = Promise.all(members.map(async (member, from) => {
    for (; !over; await sleep(pace)) {
      assert.equal(await member.socket.timeout(20_000).emitWithAck('broadcast', { room, from, seq: member.sent }), true);
      member.sent++;
    }
  }));
  const old = await processes();
  try {
    for (let i = 0; i < deployments; i++) {
      await sleep(1_000);
      await deployAnew();
    }
    await agree(async () => (await processes()).filter((pid) => old.includes(pid)), () => [], 'processes of the old code');
    await sleep(1_000);
  } finally {
    over = true;
  }
  await traffic;
  const complete = () => members.every(({ heard }) => members.every(({ sent }, from) => (heard.get(from) ?? []).length >= sent));
  await until(complete, 'something was lost', patience);
  for (const { heard } of members) {
    for (const [from, { sent }] of members.entries()) assertSequence(heard.get(from), sent, `what ${from} sent`);
  }
  assert.deepEqual(losses, []);
  const { functions } = await counts();
  for (const name of serving) {
    const { errors, crashes, timeouts, throttles } = functions[name];
    assert.deepEqual({ errors, crashes, timeouts, throttles }, { errors: 0, crashes: 0, timeouts: 0, throttles: 0 }, name);
  }
  console.log(`# ${members.reduce((n, { sent }) => n + sent, 0)} broadcasts to ${members.length} clients across ${deployments} deployments`);
});
