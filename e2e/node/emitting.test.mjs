// The emit function of the stack, as programs in any language call it, and what the official clients of the stack get.
// The server runs the application "cases" on the functions of the template.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cleanUp, connect, modes, once, until } from './clients.mjs';
import { base, test } from './wire.mjs';

cleanUp();

const patience = 20_000;
const fresh = (prefix) => prefix + randomUUID();

/** Invokes the emit function. */
async function emit(request) {
  const answer = await fetch(new URL('2015-03-31/functions/EmitFunction/invocations', base), {
    method: 'POST', headers: { authorization: 'AWS4-HMAC-SHA256 test' }, body: JSON.stringify(request),
  });
  const body = await answer.json();
  assert.equal(answer.headers.get('x-amz-function-error'), null, JSON.stringify(body));
  return body;
}

/** One client of each transport, in a room of their own. */
async function members(room) {
  const all = await Promise.all(Object.values(modes).map((mode) => connect({ forceBase64: true, ...mode })));
  await Promise.all(all.map((socket) => socket.timeout(patience).emitWithAck('join', room)));
  return all;
}

test('a program asks a room, and is told who has answered what, and who has not', async () => {
  const room = fresh('ask-');
  const [a, b, mute] = await members(room);
  a.on('q', (n, ack) => ack('a', n));
  b.on('q', (n, ack) => ack('b', n));
  const whole = await emit({ rooms: [room], except: [mute.id], event: 'q', args: [1], ack: 15 });
  const answers = [{ id: a.id, args: ['a', 1] }, { id: b.id, args: ['b', 1] }].sort((x, y) => (x.id < y.id ? -1 : 1));
  assert.deepEqual(whole, { ok: true, recipients: 2, gone: 0, failed: 0, answers });
  const some = await emit({ rooms: [room], event: 'q', args: [1], ack: 3 });
  assert.deepEqual(some, { ok: true, recipients: 2, gone: 0, failed: 0, answers, missing: [mute.id] });
});

test('a program has the server take the answers, and do something at a time', async () => {
  const room = fresh('then-');
  const [asker, b, mute] = await members(room);
  b.on('q', (ack) => ack('yes'));
  const voted = once(asker, 'voted', patience);
  const silent = once(asker, 'silent', patience);
  const request = { rooms: [room], except: [asker.id], event: 'q', then: { name: 'voted', state: asker.id, within: 2 } };
  assert.equal((await emit(request)).ok, true);
  assert.deepEqual(await voted, [b.id, 'yes']);
  assert.deepEqual(await silent, [[mute.id]]);
  const later = once(asker, 'later', patience);
  assert.equal((await emit({ serverSideEmit: 'later', args: [asker.id, 'now'] })).ok, true);
  assert.deepEqual(await later, ['now']);
});

test('a program counts a selection, and changes it', async () => {
  const [a, b] = [fresh('a-'), fresh('b-')];
  const all = await members(a);
  assert.equal((await emit({ rooms: [a], count: true })).count, 3);
  assert.equal((await emit({ rooms: [all[0].id, all[1].id], join: [b] })).recipients, 2);
  assert.equal((await emit({ rooms: [a], and: [b], count: true })).count, 2);
  const got = [];
  for (const [i, socket] of all.entries()) socket.on('said', (word) => got.push(`${i} ${word}`));
  assert.equal((await emit({ rooms: [a], and: [b], event: 'said', args: ['hi'] })).recipients, 2);
  await until(() => got.length === 2, () => `got ${got}`);
  assert.deepEqual(got.sort(), ['0 hi', '1 hi']);
  assert.equal((await emit({ rooms: [b], leave: [b] })).recipients, 2);
  assert.equal((await emit({ rooms: [b], count: true })).count, 0);
});
