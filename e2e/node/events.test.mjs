// What the server tells other services about its sockets, as a receiver reads it. The server runs the application
// "cases". NONSTICK_EVENTS says where events are read: "queue", "published", a file with a line for each, or "nowhere",
// where they cannot be told and clients are to notice nothing.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { cleanUp, modes, once, start, until } from './clients.mjs';
import { base, test } from './wire.mjs';

cleanUp();

const patience = 20_000;
const from = process.env.NONSTICK_EVENTS;
const onTemplate = !from.startsWith('/');
const options = { forceBase64: true, reconnection: false };
const ask = (socket, ...args) => socket.timeout(patience).emitWithAck(...args);
const fresh = (prefix) => prefix + randomUUID().slice(0, 8);
const signed = { authorization: 'AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/sqs/aws4_request, Signature=0' };

/** Events by their ids: a receiver drops those that it has had. */
const had = new Map();

async function sqs(action, body) {
  const res = await fetch(base, {
    method: 'POST', body: JSON.stringify({ QueueUrl: new URL('/000000000000/Events.fifo', base), ...body }),
    headers: { ...signed, 'x-amz-target': `AmazonSQS.${action}`, 'content-type': 'application/x-amz-json-1.0' },
  });
  assert.equal(res.status, 200, await res.clone().text());
  return res.json();
}

async function read() {
  if (from === 'queue') {
    const { Messages = [] } = await sqs('ReceiveMessage', { MaxNumberOfMessages: 10 });
    for (const each of Messages) await sqs('DeleteMessage', { ReceiptHandle: each.ReceiptHandle });
    return Messages.map((each) => each.Body);
  }
  if (from === 'published') {
    const list = await (await fetch(new URL('/localdev/events', base))).json();
    for (const each of list.filter(({ to }) => to.includes(':event-bus/'))) {
      assert.deepEqual([each.source, each.detailType], ['nonstick', JSON.parse(each.body).type]);
    }
    return list.map((each) => each.body);
  }
  return readFileSync(from, 'utf8').split('\n').slice(0, -1);
}

/** Waits until so many events of a socket were told, and returns them in the order of their coming. */
async function told(id, count) {
  const deadline = Date.now() + patience;
  for (;;) {
    for (const text of await read()) {
      const event = JSON.parse(text);
      if (!had.has(event.id)) had.set(event.id, event);
    }
    const list = [...had.values()].filter(({ socket }) => socket === id);
    if (list.length >= count || Date.now() > deadline) {
      assert.equal(list.length, count, JSON.stringify(list));
      return list;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** What a test compares: all but the id, the time and the session, which are checked here. */
function plain({ id, time, session, ...rest }) {
  assert.match(id, /^[A-Za-z0-9_-]{1,100}$/);
  assert.ok(Math.abs(Date.now() - Date.parse(time)) < 60_000, time);
  assert.match(session, /^[0-9a-f]{12}$/);
  return rest;
}

async function join(more = {}) {
  const socket = start({ ...options, ...more }, {});
  await once(socket, 'connect', patience);
  return socket;
}

if (from === 'nowhere') {
  for (const mode of Object.keys(modes)) {
    test(`${mode}: a client is served where events cannot be told`, async () => {
      const socket = await join({ ...modes[mode], auth: { room: 'a' } });
      assert.equal(await ask(socket, 'join', 'b'), 'ok');
      assert.deepEqual(await ask(socket, 'rooms'), ['a', 'b']);
      assert.equal(await ask(socket, 'str', 'still here'), 'still here');
      const other = await join(modes[mode]);
      assert.equal(await ask(other, 'join', socket.id), 'ok');
      socket.disconnect();
    });
  }
} else {
  for (const mode of Object.keys(modes)) {
    test(`${mode}: the life of a socket is told`, async () => {
      const [first, second] = [fresh('first-'), fresh('second-')];
      const socket = await join({ ...modes[mode], auth: { room: first } });
      const { id } = socket;
      assert.equal(await ask(socket, 'join', second), 'ok');
      assert.equal(await ask(socket, 'join', second), 'ok'); // which changes nothing
      assert.equal(await ask(socket, 'leave', first), 'ok');
      assert.equal(await ask(socket, 'leave', first), 'ok');
      assert.equal(await ask(socket, 'str', 'grüße\uffff😀'), 'grüße\uffff😀');
      socket.emit('unhandled', 1, { two: [3] });
      assert.equal(await ask(socket, 'str', ''), '');
      socket.disconnect();
      const reason = 'client namespace disconnect';
      const events = (await told(id, 9)).map(plain);
      const about = (type, rest = {}) => ({ type, namespace: '/', socket: id, ...rest });
      const want = [
        about('connect'), about('join', { room: first }), about('join', { room: second }), about('leave', { room: first }),
        about('event', { event: 'str', data: ['grüße\uffff😀'] }),
        about('event', { event: 'unhandled', data: [1, { two: [3] }] }),
        about('event', { event: 'str', data: [''] }),
        about('leave', { room: second, reason }), about('disconnect', { reason }),
      ];
      assert.deepEqual(events.slice(-2).sort((a, b) => a.type < b.type ? 1 : -1), want.slice(-2));
      const inOrder = (list) => list.slice(0, -2).map((each) => JSON.stringify(each, Object.keys(each).sort()));
      const sort = from === 'published' || mode === 'polling' ? (list) => list.sort() : (list) => list;
      assert.deepEqual(sort(inOrder(events)), sort(inOrder(want)));
    });
  }

  test('what a socket sends that is too large is left out, and the message says so', async () => {
    const socket = await join({ transports: ['polling'] });
    const text = 'x'.repeat(100_000);
    assert.equal(await ask(socket, 'str', text), text);
    const event = (await told(socket.id, 2)).map(plain).find(({ type }) => type === 'event');
    assert.deepEqual(event, {
      type: 'event', namespace: '/', socket: socket.id, event: 'str', dataOmitted: text.length + 4,
    });
  });

  test('a connection that is cut is told with its reason, each room once', async () => {
    const room = fresh('room-');
    const socket = await join({ transports: ['websocket'], auth: { room } });
    const { id } = socket;
    socket.io.engine.close();
    const events = (await told(id, 4)).map(plain);
    assert.deepEqual(events.map(({ type }) => type).sort(), ['connect', 'disconnect', 'join', 'leave']);
    for (const { type, reason } of events) {
      assert.equal(reason, type === 'leave' || type === 'disconnect' ? 'transport close' : undefined);
    }
  });

  test('joins from another program are told by the function that makes them', { skip: !onTemplate && 'no functions' }, async () => {
    const [room, socket] = [fresh('outside-'), await join()];
    for (const request of [{ to: socket.id, join: [room] }, { to: socket.id, join: [room] }, { to: socket.id, leave: [room] }]) {
      const res = await fetch(new URL('/2015-03-31/functions/EmitFunction/invocations', base), {
        method: 'POST', body: JSON.stringify(request), headers: signed,
      });
      assert.equal((await res.json()).ok, true);
    }
    const events = (await told(socket.id, 3)).map(plain);
    assert.deepEqual(events.filter(({ type }) => type !== 'connect').map(({ type, room }) => [type, room]).sort(),
      [['join', room], ['leave', room]]);
  });
}
