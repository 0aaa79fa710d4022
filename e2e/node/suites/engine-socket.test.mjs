// What the suite "Socket" of engine.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites", with a --max-payload of 100.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { beside, once } from '../clients.mjs';
import { reference, textOnly } from '../wire.mjs';
import { dial, engineIO } from './engineio.mjs';
import { atOnce } from './suite.mjs';

const { NodeWebSocket, NodeXHR } = engineIO;

describe('transports', atOnce, () => {
  beside('only those that were asked for are upgraded to', () => {
    assert.deepEqual(dial({ transports: ['polling'] })._filterUpgrades(['polling', 'websocket']), ['polling']);
  });

  beside('the options stay as they are', async () => {
    const options = { transports: ['websocket', 'polling'], tryAllTransports: true, query: { deny: 1 } };
    await once(dial(options), 'error');
    assert.deepEqual(options.transports, ['websocket', 'polling']);
  });

  beside('none is an error', async () => {
    assert.deepEqual(await once(dial({ transports: [] }), 'error'), ['No transports available']);
  });

  const denied = (name) => ({ transportOptions: { [name]: { query: { deny: 1 } } } });

  for (const [first, second] of [['websocket', 'polling'], ['polling', 'websocket']]) {
    beside(`${second} is tried where ${first} was refused, if told so`, async () => {
      const socket = dial({ transports: [first, second], ...denied(first), tryAllTransports: true });
      await once(socket, 'open');
      assert.equal(socket.transport.name, second);
    });
  }

  beside('the second is not tried where not told so', async () => {
    const [error] = await once(dial({ transports: ['polling', 'websocket'], ...denied('polling') }), 'error');
    assert.equal(error.message, 'xhr poll error');
  });

  for (const [name, transport] of [['polling', NodeXHR], ['websocket', NodeWebSocket]]) {
    beside(`may be given as a class: ${name}`, async () => {
      const socket = dial({ transports: [transport] });
      await once(socket, 'open');
      assert.equal(socket.transport.name, name);
    });
  }
});

describe('timers of the program', atOnce, () => {
  /** A client of a program that never calls back, and has no transport: it has to say so later. */
  function withDeadTimers(options) {
    const { setTimeout: real } = globalThis;
    let asked = 0;
    globalThis.setTimeout = () => { asked++; };
    try {
      return { socket: dial({ transports: [], ...options }), asked };
    } finally {
      globalThis.setTimeout = real;
    }
  }

  beside('are taken by default', () => assert.equal(withDeadTimers().asked, 1));

  beside('are not taken with useNativeTimers', async () => {
    const { socket, asked } = withDeadTimers({ useNativeTimers: true });
    assert.equal(asked, 0);
    assert.deepEqual(await once(socket, 'error'), ['No transports available']);
  });
});

describe('why a connection was closed', atOnce, () => {
  /** What a client was told: of the error, if there was one, with the answer to its request, and of the end. */
  async function endOf(socket) {
    let error;
    let answer;
    socket.once('error', (one) => {
      error = one;
      answer = { state: one.context?.readyState, body: one.context?.responseText };
    });
    const [reason, details] = await once(socket, 'close');
    return { error, answer, reason, details };
  }

  /** A client that sends more than the server takes: in one POST, or in one frame, of which API Gateway takes 32 KB. */
  function tooMuch(transport) {
    const socket = dial({ transports: [transport] });
    const most = () => (textOnly && transport === 'websocket' ? 32 << 10 : socket._maxPayload);
    socket.once('open', () => socket.send('a'.repeat(most() + 1)));
    return socket;
  }

  function assertTransportError({ error, reason, details }, message) {
    assert.equal(reason, 'transport error');
    assert.ok(error instanceof Error);
    assert.equal(details, error);
    assert.equal(error.type, 'TransportError');
    assert.equal(error.message, message);
  }

  beside('a message that is too large: polling', async () => {
    const end = await endOf(tooMuch('polling'));
    assertTransportError(end, 'xhr post error');
    assert.equal(end.error.description, 413);
    assert.deepEqual(end.answer, { state: 4, body: '' });
  });

  beside('a message that is too large: websocket', async () => {
    const { reason, details } = await endOf(tooMuch('websocket'));
    assert.equal(reason, 'transport close');
    assert.equal(details.description, 'websocket connection closed');
    assert.equal(details.context.code, 1009);
    if (reference) assert.equal(details.context.reason, ''); // a gateway may say more
  });

  beside('a session that is not known: polling', async () => {
    const end = await endOf(dial({ transports: ['polling'], query: { sid: 'abc' } }));
    assertTransportError(end, 'xhr poll error');
    assert.equal(end.error.description, 400);
    assert.deepEqual(end.answer, { state: 4, body: '{"code":1,"message":"Session ID unknown"}' });
  });

  beside('a session that is not known: websocket', async () => {
    const end = await endOf(dial({ transports: ['websocket'], query: { sid: 'abc' } }));
    assertTransportError(end, 'websocket error');
    assert.equal(end.error.description.type, 'error');
  });

  beside('a heartbeat that was missed while timers did not run', async () => {
    const socket = dial();
    assert.equal(socket._hasPingExpired(), false);
    await once(socket, 'open');
    assert.equal(socket._hasPingExpired(), false);
    const ends = [];
    socket.on('close', (reason) => ends.push(reason));
    socket._pingTimeoutTime = Date.now() - 1;
    assert.deepEqual(Array.from({ length: 3 }, () => socket._hasPingExpired()), [true, true, true]);
    await once(socket, 'close');
    assert.deepEqual(ends, ['ping timeout']);
  });
});
