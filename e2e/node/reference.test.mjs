// Nonstick beside the reference: hundreds of raw exchanges, played with both, must come out the same. Differences that are
// meant are listed below, each with its reason.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Peer } from './exchange.mjs';
import exchanges from './exchanges.mjs';
import { startReference } from './reference-server.mjs';

/** What is different on purpose. */
const meant = [
  { names: /^upgrade sid=(none|empty) EIO=(3|null) transport=websocket$/, reason: 'refused as such; the reference opens the WebSocket and writes HTTP into it' },
  { names: /^upgrade sid=websocket EIO=4 transport=websocket$/, reason: 'a second WebSocket is always opened and closed; the reference lets it take over a session that began on one' },
  { names: /^request \w+ sid=websocket EIO=4 transport=websocket$/, reason: 'answered with code 3; the reference never answers' },
  { names: /^cors WebSocket of (http:\/\/other\.example|null)$/, reason: 'a list of origins holds for WebSockets too' },
  { names: /^upgrade by hand with {"sec-websocket-version/, reason: 'the platform answers other versions of WebSocket than 13 itself, with 426' },
  { names: /^frame close$/, reason: 'packet 1 closes a session on WebSocket at once; the reference waits for its ping timeout' },
  { names: /^body (two messages|binary and text), GET parked$/, reason: 'one answer has all packets; the reference makes two of them' },
  { names: /^a GET is aborted$/, reason: 'API Gateway does not tell; the next GET is the overlap that closes the session' },
  { names: /^packet websocket "1" 1 "(1|2|0)|^packet websocket "0\/custom" 8 "(0|1)\/custom"/, reason: 'frames are handled in their order; in the reference CONNECT and DISCONNECT take effect after what follows them at once' },
  { names: /^packet websocket "51-.* <one> <two>$/, reason: 'what came before the frame that is too much is handled' },
  { names: /^packet \w+ "2(9{30}|10{20,}|1 2)/, reason: 'an acknowledgement that no client can read (above 64 bits, NaN, Infinity) is not sent; the event is handled' },
  { names: /^packet \w+ "2\[ ?\\"message\\" ?,( 1 |1\.0,|1e400|\{\\"a\\":1,\\"a\\")/, reason: 'arguments are passed on as they were spelled: a number, a blank, a repeated key' },
];

/** How many may differ without a reason, as counted by the person who changes this. */
const allowed = 5;

const atOnce = 48;
const tries = 3;

const cors = { origin: ['http://allowed.example'], credentials: true };

let reference;
let referenceWithCORS;
before(async () => { [reference, referenceWithCORS] = await Promise.all([startReference(), startReference({ cors })]); });
after(() => { reference.stop(); referenceWithCORS.stop(); });

async function play(url, exchange) {
  const peer = new Peer(url);
  try {
    await exchange.play(peer);
  } catch (error) {
    peer.note('broke', String(error?.message ?? error));
  }
  peer.end();
  return peer.log;
}

/** Plays an exchange with both; what differs because the machine was busy does not differ again. */
async function compare(exchange, attempts) {
  const [us, them] = exchange.cors ? [process.env.NONSTICK_CORS_URL, referenceWithCORS.url] : [process.env.NONSTICK_URL, reference.url];
  let ours;
  let theirs;
  for (let i = 0; i < attempts; i++) {
    [ours, theirs] = await Promise.all([play(us, exchange), play(them, exchange)]);
    if (ours.join('\n') === theirs.join('\n')) return null;
  }
  return { name: exchange.name, ours, theirs };
}

async function all(list, work) {
  const results = [];
  const queue = [...list];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let next = queue.shift(); next; next = queue.shift()) results.push(await work(next));
  }));
  return results.filter(Boolean);
}

test('raw exchanges beside the reference', { timeout: 170_000 }, async () => {
  const only = process.env.NONSTICK_EXCHANGES;
  const list = exchanges.filter(({ name }) => !only || name.includes(only));
  const suspects = await all(list, (exchange) => compare(exchange, 1));
  const again = new Set(suspects.map(({ name }) => name));
  const different = await all(list.filter(({ name }) => again.has(name)), (exchange) => compare(exchange, tries));
  const reasonOf = ({ name }) => meant.find(({ names }) => names.test(name));
  const open = different.filter((one) => !reasonOf(one));
  for (const { name, ours, theirs } of open) {
    console.log(`DIFFERENT ${name}\n  ours:\n    ${ours.join('\n    ')}\n  reference:\n    ${theirs.join('\n    ')}`);
  }
  for (const { names, reason } of meant) {
    const n = different.filter(({ name }) => names.test(name)).length;
    console.log(`MEANT ${n} ${names.source}: ${reason}`);
  }
  console.log(`EXCHANGES ${list.length}, different on purpose ${different.length - open.length}, different without a reason ${open.length}`);
  assert.ok(open.length <= allowed, `${open.length} exchanges differ`);
});
