// Clients of Socket.IO v2 stay connected by their pings, in every transport. The server runs the app "cases" with
// --allow-eio3, a ping interval of 500 ms and a ping timeout of 1 s. What else they do is in ../clients.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, describe } from 'node:test';
import { base, sleep, test, textOnly } from './wire.mjs';

const require = createRequire(import.meta.url);
const open = new Set();
after(() => { for (const socket of open) socket.close(); });

describe('stays by its pings', { concurrency: true }, () => {
  for (const version of ['2-5', '2-0']) {
    for (const transports of [['polling'], ['websocket'], ['polling', 'websocket']]) {
      test(`${version}, ${transports.join(' and ')}`, () => stays(require(`socket.io-client-${version}`), transports));
    }
  }
});

async function stays(io, transports) {
  const socket = io(base.href, { transports, forceNew: true, forceBase64: textOnly, reconnection: false });
  open.add(socket);
  await new Promise((resolve, reject) => {
    socket.on('connect', resolve);
    socket.on('connect_error', reject);
  });
  const ends = [];
  socket.on('disconnect', (reason) => ends.push(reason));
  let pongs = 0;
  socket.on('pong', () => { pongs++; });
  await sleep(2_500);
  assert.deepEqual(ends, []);
  assert.ok(pongs >= 2, `${pongs} pongs`);
  const echoed = await new Promise((resolve) => { socket.emit('echo', 'still', resolve); });
  assert.equal(echoed, 'still');
}
