// Rooms with a history, with the app "cases" and recovery on: sockets join while many emit, and get the last events and
// all live ones, each once.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { Relay, beside, connect, connected, modes, start, until } from './clients.mjs';

const patience = 60_000;

let rooms = 0;

const newRoom = () => `kept-${process.pid}-${rooms++}`;

/** Emits an event and waits for its acknowledgement. */
const ask = (socket, event, ...args) => socket.timeout(patience).emitWithAck(event, ...args);

/** What a socket is told by "said". */
function heard(socket) {
  const all = [];
  socket.on('said', (...args) => all.push(args[0]));
  return all;
}

beside('each gets the last events in their order, and all live ones once', async () => {
  const room = newRoom(), emitters = 4, each = 25;
  const speakers = await Promise.all(Array.from({ length: emitters }, () => connect(modes.websocket)));
  const joiners = Array.from({ length: 9 }, (_, i) => ({ mode: Object.keys(modes)[i % 3], when: i * 60 }));
  let spoken = 0;
  await Promise.all([
    ...speakers.map(async (socket, speaker) => {
      for (let i = 0; i < each; i++, spoken++) await ask(socket, 'say', room, `${speaker}-${i}`);
    }),
    ...joiners.map(async (joiner) => {
      joiner.socket = await connect(modes[joiner.mode]);
      joiner.heard = heard(joiner.socket);
      await sleep(joiner.when);
      assert.equal(await ask(joiner.socket, 'rewind', room, 10), 'ok');
    }),
  ]);
  const last = await connect(modes.polling);
  const log = heard(last);
  assert.equal(await ask(last, 'rewind', room, 1000), 'ok');
  await until(() => log.length >= emitters * each, () => `${log.length} events of the whole history`, patience);
  assert.equal(new Set(log).size, emitters * each, 'each once');
  for (const { socket, mode, heard: got } of joiners) {
    assert.equal(await ask(socket, 'say', newRoom(), 'a round trip'), true);
    await until(() => got.length > 0 && got.length >= log.length - log.indexOf(got[0]),
      () => `${mode}: ${got.length} events from ${got[0]} on, of ${log.length - log.indexOf(got[0])}`);
    const missed = log.length - got.length;
    assert.deepEqual([...got].sort(), log.slice(missed).sort(), `${mode}: the last ${got.length} events, each once`);
    if (missed > 0) assert.deepEqual(got.slice(0, 10), log.slice(missed, missed + 10), `${mode}: the history in order`);
    for (let speaker = 0; speaker < emitters; speaker++) {
      const of = got.filter((text) => text.startsWith(`${speaker}-`)).map((text) => Number(text.split('-')[1]));
      assert.deepEqual(of, of.map((_, i) => each - of.length + i), `${mode}: those of ${speaker} in order`);
    }
  }
});

for (const mode of Object.keys(modes)) {
  beside(`a long history, ${mode}`, async () => {
    const room = newRoom(), events = 1200;
    const speaker = await connect(modes.websocket);
    assert.equal(await ask(speaker, 'pour', room, [0, events, 2000]), events);
    const socket = await connect(modes[mode]);
    const got = heard(socket);
    const joined = ask(socket, 'rewind', room, 1000);
    await ask(speaker, 'pour', room, [events, 5, 10]);
    assert.equal(await joined, 'ok');
    await ask(speaker, 'pour', room, [events + 5, 5, 10]);
    await until(() => got.at(-1) === events + 9, () => `${got.length} events, the last is ${got.at(-1)}`, patience);
    assert.ok(got[0] >= 200 && got[0] <= 205, `the first is ${got[0]}`);
    assert.deepEqual(got, got.map((_, i) => got[0] + i));
  });

  beside(`a connection that is lost in the middle of a history, ${mode}`, async () => {
    const room = newRoom(), events = 900;
    const speaker = await connect(modes.websocket);
    assert.equal(await ask(speaker, 'pour', room, [0, events, 4000]), events);
    const relay = await Relay.start();
    const socket = await connected(start(modes[mode], { url: relay.url }));
    const got = heard(socket), { id } = socket;
    socket.emit('rewind', room, 1000);
    for (const some of [50, 500]) {
      await until(() => got.length > some, () => `${got.length} events`, patience);
      await relay.cut();
      await until(() => !socket.connected || socket.recovered, 'not cut');
      await until(() => socket.connected, 'not back', patience);
    }
    await ask(speaker, 'pour', room, [events, 3, 10]);
    await until(() => got.at(-1) === events + 2, () => `${got.length} events, the last is ${got.at(-1)}`, patience);
    assert.deepEqual(got, got.map((_, i) => i), 'each once');
    assert.equal(socket.id, id, 'the socket that it was');
  });
}

beside('a history by time', async () => {
  const room = newRoom(), speaker = await connect(modes.websocket), within = 20;
  const young = Array.from({ length: 40 }, (_, i) => `young ${i}`);
  await ask(speaker, 'say', room, 'old');
  await sleep((within + 1) * 1000);
  const from = Date.now();
  for (const text of young) await ask(speaker, 'say', room, text);
  const joiners = await Promise.all(Object.values(modes).map((mode) => connect(mode)));
  const got = joiners.map(heard);
  for (const socket of joiners) assert.equal(await ask(socket, 'rewind within', room, within), 'ok');
  await ask(speaker, 'say', room, 'live');
  await Promise.all(got.map((all) => until(() => all.at(-1) === 'live', () => `${all.length} events`, patience)));
  for (const all of got) {
    assert.ok(!all.includes('old'));
    if (Date.now() - from < within * 1000) assert.deepEqual(all, [...young, 'live']);
    else assert.deepEqual(all, [...young, 'live'].slice(-all.length), 'the last ones'); // on a slow machine
  }
});

beside('a room that keeps no history', async () => {
  const socket = await connect(modes.websocket);
  assert.equal(await ask(socket, 'rewind', 'room', 10), 'no history');
});
