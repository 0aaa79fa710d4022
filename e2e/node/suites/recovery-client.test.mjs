// What the suite "connection state recovery" of socket.io-client checks: docs/reference-suites.md has its title. The
// server runs the application "suites", with recovery on.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { beside, connect, connected, once } from '../clients.mjs';
import { atOnce } from './suite.mjs';

describe('a client that is recovered', atOnce, () => {
  beside('has the id that it had', async () => {
    const socket = await connect();
    assert.equal(socket.recovered, false);
    const { id } = socket;
    const hi = once(socket, 'hi');
    socket.emit('hi'); // its answer has an offset, without which the reference recovers nothing
    await hi;
    const left = once(socket, 'disconnect');
    socket.io.engine.close();
    await left;
    await connected(socket);
    assert.deepEqual([socket.id, socket.recovered], [id, true]);
  });
});
