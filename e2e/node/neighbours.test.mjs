// Clients in trouble beside healthy ones, with the app "cases": nobody may feel a neighbour. NONSTICK_PING and NONSTICK_PONG are the server's ping
// interval and timeout in seconds.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { base } from './wire.mjs';

const interval = Number(process.env.NONSTICK_PING) * 1000, timeout = Number(process.env.NONSTICK_PONG) * 1000;
const healthyClients = 30, hangingClients = 8, slowReaders = 8, rooms = 100;

const open = new Set();
after(() => { for (const ws of open) ws.terminate(); });

/** Connects by WebSocket and joins the namespace. The client answers its pings unless it is mute. */
async function join(auth, { mute = false } = {}) {
  const ws = new WebSocket(`${base.href.replace('http', 'ws')}socket.io/?EIO=4&transport=websocket`);
  open.add(ws);
  const client = { ws, pings: 0, late: 0, closed: false, heard: 0, answers: new Map() };
  ws.on('error', () => {});
  ws.on('close', () => { client.closed = true; });
  const joined = new Promise((resolve, reject) => {
    ws.on('close', () => reject(new Error('closed')));
    ws.on('message', (data) => {
      const text = data.toString();
      if (text[0] === '0') { client.heard = Date.now(); ws.send(`40${JSON.stringify(auth)}`); }
      if (text.startsWith('40')) resolve();
      if (text.startsWith('43')) client.answers.get(Number.parseInt(text.slice(2), 10))?.(text);
      if (text !== '2') return;
      client.pings++;
      client.late = Math.max(client.late, Date.now() - client.heard - interval);
      if (mute) return;
      client.heard = Date.now();
      ws.send('3');
    });
  });
  joined.catch(() => {});
  await Promise.race([joined, sleep(20_000).then(() => assert.fail('did not join'))]);
  return client;
}

/** Emits an event, in JSON if it is text, and waits for its acknowledgement; returns it and how long it took. */
async function ask(client, id, event) {
  const began = Date.now();
  const answer = new Promise((resolve) => client.answers.set(id, resolve));
  client.ws.send(`42${id}${typeof event === 'string' ? event : JSON.stringify(event)}`);
  return { answer: await Promise.race([answer, sleep(25_000).then(() => '')]), took: Date.now() - began };
}

test('healthy clients beside those in trouble', { timeout: 6 * (interval + timeout) + 120_000 }, async () => {
  const healthy = [];
  for (let i = 0; i < healthyClients; i += 10) healthy.push(...await Promise.all(Array.from({ length: 10 }, () => join({}))));
  const hanging = await Promise.all(Array.from({ length: hangingClients }, () => join({ bye: 600_000 }, { mute: true })));
  const silent = await join({}, { mute: true });
  for (let i = 0; i < rooms; i++) assert.match((await ask(silent, i, ['join', `room-${i}`])).answer, /^43\d+\["ok"\]/);
  const slow = await Promise.all(Array.from({ length: slowReaders }, () => join({ room: 'crowd' }, { mute: true })));
  const talker = await join({ room: 'crowd' });
  for (const client of [...hanging, ...slow, silent]) client.ws._socket.pause(); // they vanish, or do not read
  // Those that do not read answer pings all the same, unseen: or on a slow machine a ping would end them before they are full.
  const pongs = setInterval(() => { for (const client of slow) if (!client.closed) client.ws.send('3'); }, timeout / 2);
  after(() => clearInterval(pongs));

  // A frame of a client is 32 KB at most, and what it makes the server emit is four times as long: 120 KB. After some ten megabytes what waits
  // for a client is full, on its way and at the management API, which answers 429 from then on.
  const event = `["say","crowd",[${Array(5500).fill('1e20').join()}]]`;
  let longest = 0, emits = 0;
  const until = Date.now() + 2 * interval + timeout;
  for (let id = 1; Date.now() < until; id++) {
    const { answer, took } = await ask(talker, id, event);
    assert.match(answer, new RegExp(`^43${id}\\[true\\]`), `emit ${id} after ${took} ms`);
    longest = Math.max(longest, took);
    emits = id;
    await sleep(50);
  }
  const cut = healthy.filter((client) => client.closed).length;
  const late = Math.max(...healthy.map((client) => client.late));
  console.log(`healthy clients cut: ${cut} of ${healthyClients}; latest ping ${late} ms late; longest of ${emits} emits ${longest} ms; pings ${Math.min(...healthy.map((client) => client.pings))}`);
  assert.equal(cut, 0, 'healthy clients cut');
  assert.ok(Math.min(...healthy.map((client) => client.pings)) >= 2, 'pings missing');
  assert.ok(late <= timeout / 2, `a ping came ${late} ms late`);
  // The sender waits a second for clients that do not read, once; the rest is the machine's.
  assert.ok(longest <= 10_000, `an emit took ${longest} ms`);
  for (const client of slow) client.ws._socket.resume();
  for (let waited = 0; slow.some((client) => !client.closed); waited += 100) {
    assert.ok(waited < 20_000, 'a client that did not read was not cut off');
    await sleep(100);
  }
  for (const client of [...healthy, talker]) client.ws.close();
});
