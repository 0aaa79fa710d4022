// The whiteboard of examples/side-by-side.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { next, scenario } from './side-by-side.mjs';

const bytes = (n) => Buffer.from(Array.from({ length: n }, (_, i) => (i * 7) % 256));

/** Asks for the picture until there is none: the clients of the test before have gone. */
async function alone(socket) {
  await sleep(100); // one that is just leaving would be asked, and waited for
  for (let i = 0; i < 100; i++) {
    const picture = await socket.timeout(1_000).emitWithAck('picture').catch(() => 'late');
    if (picture === null) return;
    await sleep(20);
  }
  assert.fail('the first client gets a picture');
}

scenario('a whiteboard', async (client, mode) => {
  const ann = await client();
  await alone(ann);
  const bob = await client();

  const stroke = { color: '#d33', points: [[0, 0], [3.5, 4]] };
  ann.emit('stroke', stroke);
  assert.deepEqual(await next(bob, 'stroke'), [ann.id, stroke]);
  const image = bytes(20_000);
  bob.emit('image', 10, 20, image);
  assert.deepEqual(await next(ann, 'image'), [bob.id, 10, 20, image]);
  bob.emit('cursor', 5, 6);
  if (mode !== 'polling') assert.deepEqual(await next(ann, 'cursor'), [bob.id, 5, 6]); // volatile in socket.io

  // A client that comes later gets the picture of one that is there; the server waits 5 s for it.
  const cat = await client();
  if (mode === 'websocket') {
    assert.deepEqual(await cat.emitWithAck('picture'), { message: 'the picture did not come' });
  }
  const picture = bytes(24_000); // in base64 it is one frame of 32 KB, which is the most that API Gateway takes
  for (const peer of [ann, bob]) peer.on('picture', (callback) => callback(picture));
  assert.deepEqual(await cat.emitWithAck('picture'), picture);

  // What makes no sense harms no other client.
  cat.emit('picture');
  cat.emit('picture', 'no function');
  cat.emit('image', 'here', {});
  ann.got.length = 0;
  bob.got.length = 0;
  cat.emit('clear');
  for (const each of [ann, bob, cat]) assert.deepEqual(await next(each, 'clear'), [cat.id]);
  const { id } = cat;
  cat.disconnect();
  for (const each of [ann, bob]) assert.deepEqual(await next(each, 'gone'), [id]);
});
