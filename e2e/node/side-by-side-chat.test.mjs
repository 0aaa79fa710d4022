// The chat of examples/side-by-side.

import assert from 'node:assert/strict';
import { next, refusal, scenario } from './side-by-side.mjs';

scenario('a chat', async (client, mode) => {
  const room = `room of ${mode}`;
  assert.equal(await refusal({}), 'say your name');

  const [ann, bob, cat] = [await client({ name: 'Ann' }), await client({ name: 'Bob' }), await client({ name: 'Cat' })];
  assert.deepEqual(await ann.emitWithAck('join', room), { [ann.id]: 'Ann' });
  assert.deepEqual(await bob.emitWithAck('join', room), { [ann.id]: 'Ann', [bob.id]: 'Bob' });
  assert.deepEqual(await next(ann, 'joined'), [room, bob.id, 'Bob']);

  bob.emit('typing', room, true);
  assert.deepEqual(await next(ann, 'typing'), [room, bob.id, true]);
  assert.equal(await bob.emitWithAck('say', room, 'hello'), undefined);
  assert.deepEqual(await next(ann, 'said'), [room, bob.id, 'hello']);
  assert.deepEqual(await cat.emitWithAck('say', room, 'hello'), { message: 'you are not in this room' });

  // What makes no sense harms no other client.
  cat.emit('join');
  cat.emit('join', `not ${room}`, 'no function'); // which one of the servers takes for an event without an answer
  cat.emit('say');
  cat.emit('say', {}, [], 5);
  cat.emit('typing');
  assert.equal(await bob.emitWithAck('say', room, 'still here'), undefined);
  assert.deepEqual((await next(ann, 'said')).slice(1), [bob.id, 'still here']);

  bob.emit('leave', room);
  assert.deepEqual(await next(ann, 'left'), [room, bob.id]);
  assert.deepEqual(await bob.emitWithAck('say', room, 'hello'), { message: 'you are not in this room' });
  await bob.emitWithAck('join', room);
  await next(ann, 'joined');
  const { id } = bob;
  bob.disconnect();
  assert.deepEqual(await next(ann, 'left'), [room, id]);

  assert.deepEqual(ann.got, []);
  assert.deepEqual([...bob.got, ...cat.got].filter(([name]) => name === 'said'), []);
});
