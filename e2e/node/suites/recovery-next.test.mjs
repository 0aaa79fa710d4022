// What the suite "connection state recovery" of socket.io checks beside that of 4.8: docs/reference-suites.md has its
// titles. The server runs the application "suites", with recovery on. socket.io 4.8 does not pass these.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { cleanUp } from '../clients.mjs';
import { Raw, ask, assertMissed, comeBack, gotEvents, lose, modes, newRoom, official, sender, transports } from '../recovery.mjs';
import { test } from '../wire.mjs';

cleanUp();

/** A raw client that has got no event, and is lost. */
async function lostBeforeEvents(transport, auth) {
  const old = await Raw.connect(transport, auth);
  await old.lose();
  return old;
}

describe('recovery', () => {
  test('works before the client has got an event', async () => {
    for (const transport of transports) {
      const room = newRoom();
      const old = await lostBeforeEvents(transport, { rooms: [room], foo: 'bar' });
      const back = await Raw.connect(transport, { pid: old.pid });
      assert.deepEqual(back.answer, { sid: old.id, pid: old.pid });
      assert.deepEqual(await back.ask('state'), { id: old.id, recovered: true, rooms: [room], checked: 1, foo: 'bar' });
    }
    for (const mode of modes) {
      const socket = await official(mode, { foo: 'bar' });
      const { id } = socket;
      await lose(socket);
      await comeBack(socket);
      assert.deepEqual([socket.id, socket.recovered], [id, true]);
      assert.equal((await ask(socket, 'state')).foo, 'bar');
    }
  });

  test('gives all that was missed to a client that had got no event', async () => {
    for (const transport of transports) {
      const [from, room] = [await sender(), newRoom()];
      const old = await lostBeforeEvents(transport, { rooms: [room] });
      await from.cast(room, 'hello', 'world');
      await from.cast(null, 'broadcast');
      const back = await Raw.connect(transport, { pid: old.pid });
      assert.equal(back.id, old.id);
      await assertMissed(back, [['hello', 'world'], ['broadcast']]);
    }
    for (const mode of modes) {
      const [from, room] = [await sender(), newRoom()];
      const socket = await official(mode, { rooms: [room] });
      await lose(socket);
      await from.cast(room, 'hello', 'world');
      await comeBack(socket);
      assert.equal(socket.recovered, true);
      assert.deepEqual(await gotEvents(socket, 1), [['hello', 'world']]);
    }
  });

  test('is refused where the offset is no string', async () => {
    for (const transport of transports) {
      for (const offset of [123, {}, ['a'], true]) {
        const room = newRoom();
        const old = await lostBeforeEvents(transport, { rooms: [room] });
        const back = await Raw.connect(transport, { pid: old.pid, offset });
        assert.notEqual(back.id, old.id, JSON.stringify(offset));
        assert.notEqual(back.pid, old.pid);
        const { recovered, rooms } = await back.ask('state');
        assert.deepEqual({ recovered, rooms }, { recovered: false, rooms: [] });
      }
    }
  });
});
