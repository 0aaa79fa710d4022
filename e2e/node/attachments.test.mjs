// Binary events one right behind the other, with the app "bench". Where frames are handled in order all of them are exact; where
// they are handled at once none is wrong and none is handled twice, and what cannot be told apart ends the connection. With the
// msgpack parser an event is one frame, and all of them are exact.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import parser from 'socket.io-msgpack-parser';
import { cleanUp, connect, once } from './clients.mjs';
import { msgpack } from './wire.mjs';

const rounds = Number(process.env.NONSTICK_ROUNDS);
const ordered = process.env.NONSTICK_INBOUND === 'ordered';
const exact = ordered || msgpack;
const options = { transports: ['websocket'], forceBase64: true, reconnection: false };

cleanUp();

/** The id of an acknowledgement in MessagePack. */
function idOf(data) {
  let id;
  const decoder = new parser.Decoder();
  decoder.on('decoded', (packet) => { if (packet.type === 3) id = packet.id; });
  decoder.add(data);
  return id;
}

/** Emits events at once, each with attachments, and returns how they came back. */
async function atOnce(events, attachments, time) {
  const socket = await connect(options);
  const answers = new Map(); // frames that acknowledge, by their id: more than one means that a handler ran twice
  socket.io.engine.on('packet', ({ type, data }) => {
    const id = type === 'message' && (msgpack ? idOf(data) : /^(?:6\d+-|3)(\d+)\[/.exec(String(data))?.[1]);
    if (id !== undefined && id !== false) answers.set(id, (answers.get(id) ?? 0) + 1);
  });
  const gone = once(socket, 'disconnect', time).then(() => 'cut', () => 'late');
  const each = Array.from({ length: events }, async (_, i) => {
    const given = Array.from({ length: attachments }, (_, k) => Buffer.from(`${i} ${k}`));
    const answered = new Promise((resolve) => {
      socket.timeout(time).emit('echo', i, ...given, (err, ...all) => resolve(err ? (socket.connected ? 'late' : 'cut') : all));
    });
    const answer = await Promise.race([answered, gone]);
    if (!Array.isArray(answer)) return answer;
    const [n, ...back] = answer;
    return n === i && back.length === attachments && back.every((b, k) => Buffer.isBuffer(b) && b.equals(given[k])) ? 'exact' : 'wrong';
  });
  const got = await Promise.all(each);
  const twice = [...answers.values()].filter((n) => n > 1).length;
  socket.disconnect();
  return { got, twice };
}

async function count(t, name, times, events, attachments, time = 8_000) {
  const sum = { exact: 0, wrong: 0, cut: 0, late: 0, twice: 0 };
  // Each frame that is handled at once takes a function: not more of them than there may be.
  const side = ordered ? 10 : Math.max(1, Math.min(10, Math.floor(60 / (events * (msgpack ? 1 : attachments + 1)))));
  for (let i = 0; i < times; i += side) {
    const some = await Promise.all(Array.from({ length: Math.min(side, times - i) }, () => atOnce(events, attachments, time)));
    for (const { got, twice } of some) {
      for (const one of got) sum[one]++;
      sum.twice += twice;
    }
  }
  console.log(`${process.env.NONSTICK_INBOUND}, ${name}, ${times} times: ${JSON.stringify(sum)}`);
  assert.equal(sum.wrong, 0, 'attachments of another event');
  assert.equal(sum.twice, 0, 'handlers that ran twice');
  return sum;
}

test('one event with one attachment', async (t) => {
  const sum = await count(t, 'one event with one attachment', rounds, 1, 1);
  assert.equal(sum.exact, rounds);
});

for (const [events, attachments] of [[2, 1], [1, 2], [3, 10]]) {
  test(`${events} events at once, ${attachments} attachments each`, { timeout: 600_000 }, async (t) => {
    const sum = await count(t, `${events} events at once, ${attachments} attachments each`, rounds, events, attachments);
    if (exact) assert.equal(sum.exact, rounds * events);
    else assert.equal(sum.exact, 0, 'it cannot be known that they are exact');
  });
}
