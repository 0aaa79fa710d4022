// Clients of functions whose roles lack rights: nothing may be pushed to a WebSocket, and broadcasts cannot be handed on. Polling needs neither.
// The server runs the app cases.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { base, test } from './wire.mjs';

const { io } = createRequire(import.meta.url)('socket.io-client');
const patience = 10_000;

/** Connects, and returns the socket, or the error. */
function connect(options) {
  const socket = io(base.href, { forceNew: true, forceBase64: true, reconnection: false, timeout: patience, ...options });
  return new Promise((resolve) => {
    socket.on('connect', () => resolve(socket));
    socket.on('connect_error', (e) => { socket.disconnect(); resolve(e); });
  });
}

test('the upgrade gets no answer, and the client stays on polling', async () => {
  const socket = await connect({});
  assert.equal(await socket.timeout(patience).emitWithAck('str', 'hello'), 'hello');
  assert.equal(socket.io.engine.transport.name, 'polling');
  socket.disconnect();
});

test('by WebSocket alone there is no open packet', async () => {
  assert.ok(await connect({ transports: ['websocket'], timeout: 2_000 }) instanceof Error);
});

test('a broadcast to a large room is an error of emit, which says what is missing', async () => {
  const sockets = await Promise.all([1, 2].map(() => connect({ transports: ['polling'] })));
  const answer = await fetch(new URL('2015-03-31/functions/EmitFunction/invocations', base), {
    method: 'POST', headers: { authorization: 'AWS4-HMAC-SHA256 test' }, body: JSON.stringify({ event: 'notice', args: ['hello'] }),
  });
  assert.equal(answer.headers.get('x-amz-function-error'), 'Unhandled');
  assert.match((await answer.json()).errorMessage, /is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:[^ ]*:FanoutQueue.fifo/);
  for (const s of sockets) s.disconnect();
});
