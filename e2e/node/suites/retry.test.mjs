// What the suite "retry" of socket.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites".

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { beside, once, start } from '../clients.mjs';
import { atOnce } from './suite.mjs';

/** An acknowledgement that comes is in time. */
const long = 10_000;

/** The messages of a client, as they leave. */
function sentBy(socket) {
  const sent = [];
  socket.io.engine.on('packetCreate', ({ type, data }) => { if (type === 'message') sent.push(data); });
  return sent;
}

const emit = (socket, ...args) => new Promise((resolve) => { socket.emit(...args, (...got) => resolve(got)); });

describe('retries', atOnce, () => {
  beside('keep the order: one event at a time', async () => {
    const socket = start({ retries: 1, ackTimeout: long });
    const sent = sentBy(socket);
    const answers = [1, 2, 3].map((n) => emit(socket, 'echo', n));
    const waiting = () => socket._queue.length;
    const left = answers.map((answer) => answer.then(waiting));
    assert.equal(waiting(), 3);
    assert.deepEqual(await Promise.all(answers), [[null, 1], [null, 2], [null, 3]]);
    assert.deepEqual(await Promise.all(left), [2, 1, 0]);
    assert.deepEqual(sent, ['0', '20["echo",1]', '21["echo",2]', '22["echo",3]']);
  });

  beside('end with an error: each attempt has reached the server', async () => {
    const socket = start({ retries: 3, ackTimeout: 250 });
    const sent = sentBy(socket);
    let reached = 0;
    socket.on('ack', () => reached++);
    const [error] = await emit(socket, 'ack');
    assert.ok(error instanceof Error);
    assert.equal(reached, 4);
    assert.deepEqual(sent, ['0', '20["ack"]', '21["ack"]', '22["ack"]', '23["ack"]']);
  });

  beside('do not begin before the connection', async () => {
    const socket = start({ autoConnect: false, retries: 3, ackTimeout: long });
    const answer = emit(socket, 'echo', 1);
    await sleep(100);
    assert.equal(socket._queue.length, 1);
    socket.connect();
    const sent = sentBy(socket);
    assert.deepEqual(await answer, [null, 1]);
    assert.deepEqual(sent, ['0', '20["echo",1]']);
  });

  beside('an event that a connect listener emits is sent once', async () => {
    const socket = start({ retries: 3, ackTimeout: long });
    const sent = sentBy(socket);
    const got = [];
    socket.io.engine.on('packet', ({ type, data }) => { if (type === 'message') got.push(data); });
    socket.once('connect', () => socket.emit('echo', null));
    await once(socket, 'connect');
    await socket.emitWithAck('echo', 'last');
    assert.deepEqual(sent, ['0', '20["echo",null]', '21["echo","last"]']);
    assert.deepEqual(got.slice(1), ['30[null]', '31["last"]']);
  });
});
