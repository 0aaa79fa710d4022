// The private messaging of examples/side-by-side.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { next, refusal, scenario } from './side-by-side.mjs';

const [ann, bob] = ['Ann', 'Bob'].map((name) => ({ session: `session of ${name}` }));

/** Asks who is online until the answer is the one. */
async function online(socket, want) {
  let users;
  for (let i = 0; i < 200; i++) {
    users = await socket.emitWithAck('users');
    if (JSON.stringify(Object.entries(users).sort()) === JSON.stringify(Object.entries(want).sort())) return;
    await sleep(20);
  }
  assert.deepEqual(users, want);
}

scenario('private messages', async (client) => {
  assert.equal(await refusal({ session: 'another' }), 'log in first');

  const desk = await client(bob);
  assert.deepEqual(await next(desk, 'welcome'), ['bob']);
  await online(desk, { ann: false, bob: true, cat: false });
  const phone = await client(ann);
  assert.deepEqual(await next(desk, 'online'), ['ann']);
  const laptop = await client(ann);
  assert.deepEqual(await next(laptop, 'welcome'), ['ann']);
  assert.deepEqual(await next(phone, 'online'), ['ann']);
  await next(desk, 'online');
  await online(desk, { ann: true, bob: true, cat: false });

  // A message reaches every device of a user, and the sender's other devices.
  assert.equal(await desk.emitWithAck('message', 'ann', 'hello'), true);
  for (const device of [phone, laptop]) assert.deepEqual(await next(device, 'message'), ['bob', 'ann', 'hello']);
  assert.equal(await laptop.emitWithAck('message', 'bob', 'hi'), true);
  for (const device of [desk, phone]) assert.deepEqual(await next(device, 'message'), ['ann', 'bob', 'hi']);
  assert.equal(await desk.emitWithAck('message', 'cat', 'are you there?'), false);

  // What makes no sense harms no other client.
  phone.emit('users');
  phone.emit('message');
  phone.emit('message', {}, [], 5);
  await online(desk, { ann: true, bob: true, cat: false });

  // A user is offline when the last device has gone.
  assert.deepEqual([desk.got, phone.got, laptop.got], [[], [], []]);
  laptop.disconnect();
  await sleep(200); // nothing is to come
  assert.equal(await desk.emitWithAck('message', 'ann', 'one is left'), true);
  assert.deepEqual(await next(phone, 'message'), ['bob', 'ann', 'one is left']);
  assert.deepEqual(desk.got, []);
  phone.disconnect();
  assert.deepEqual(await next(desk, 'offline'), ['ann']);
  await online(desk, { ann: false, bob: true, cat: false });
});
