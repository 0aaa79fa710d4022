// Rooms with a history on the functions of the template, with the app "cases", Recovery and Histories=on: what the emit
// function emits is kept, as what a handler emits.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { cleanUp, connect, modes, until } from './clients.mjs';
import { base, test } from './wire.mjs';

cleanUp();

const patience = 60_000;
const newRoom = () => `kept-${randomUUID()}`;
const ask = (socket, event, ...args) => socket.timeout(patience).emitWithAck(event, ...args);

function heard(socket) {
  const all = [];
  socket.on('said', (...args) => all.push(args[0]));
  return all;
}

async function emit(room, text) {
  const answer = await fetch(new URL('2015-03-31/functions/EmitFunction/invocations', base), {
    method: 'POST', headers: { authorization: 'AWS4-HMAC-SHA256 test' },
    body: JSON.stringify({ rooms: [room], event: 'said', args: [text] }),
  });
  const body = await answer.json();
  assert.equal(body.ok, true, JSON.stringify(body));
}

test('an event of the emit function may be the first of its room', async () => {
  const room = newRoom();
  await connect(modes.polling); // a server says what it keeps when a client connects
  await new Promise((done) => setTimeout(done, 100));
  await emit(room, 'first');
  for (const mode of Object.values(modes)) {
    const socket = await connect({ forceBase64: true, ...mode });
    const got = heard(socket);
    assert.equal(await ask(socket, 'rewind', room, 10), 'ok');
    await until(() => got.length === 1, () => `${got}`, patience);
    assert.deepEqual(got, ['first']);
    socket.disconnect();
  }
});

test('each gets the last events of all that emit, and all live ones once', async () => {
  const room = newRoom(), each = 20;
  const speaker = await connect({ forceBase64: true, ...modes.websocket });
  await ask(speaker, 'say', room, 'first');
  const joiners = Object.values(modes).map((mode, i) => ({ mode, when: i * 7 }));
  let spoken = 0;
  const emitter = (async () => {
    for (let i = 0; i < each; i++, spoken++) await emit(room, `emitter-${i}`);
  })();
  const handler = (async () => {
    for (let i = 0; i < each; i++) await ask(speaker, 'say', room, `handler-${i}`);
  })();
  await Promise.all(joiners.map(async (joiner) => {
    joiner.socket = await connect({ forceBase64: true, ...joiner.mode });
    joiner.got = heard(joiner.socket);
    await until(() => spoken >= joiner.when, () => `${spoken}`, patience);
    assert.equal(await ask(joiner.socket, 'rewind', room, 5), 'ok');
  }));
  await Promise.all([emitter, handler]);
  const last = await connect({ forceBase64: true, ...modes.polling });
  const log = heard(last);
  assert.equal(await ask(last, 'rewind', room, 1000), 'ok');
  await until(() => log.length > 2 * each, () => `${log.length} events of the whole history`, patience);
  assert.equal(new Set(log).size, 2 * each + 1, 'each once');
  for (const { got } of joiners) {
    await until(() => got.length > 0 && got.length >= log.length - log.indexOf(got[0]),
      () => `${got.length} events from ${got[0]} on, of ${log.length - log.indexOf(got[0])}`, patience);
    assert.deepEqual([...got].sort(), log.slice(log.length - got.length).sort(), 'the last events, each once');
    for (const who of ['emitter', 'handler']) {
      const of = got.filter((text) => text.startsWith(who)).map((text) => Number(text.split('-')[1]));
      assert.deepEqual(of, of.map((_, i) => each - of.length + i), `those of the ${who} in order`);
    }
  }
});
