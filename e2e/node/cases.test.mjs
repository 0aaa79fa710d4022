// What users of Socket.IO reported, each as the official client meets it. The server runs the application "cases".

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertSequence, cleanUp, connect, connectIn, manager, modes, once, start, until } from './clients.mjs';
import { msgpack, test } from './wire.mjs';

cleanUp();

const patience = 20_000;
const text = process.env.NONSTICK_FRAMES === 'text';
const options = { forceBase64: text, reconnection: false };
const ask = (socket, ...args) => socket.timeout(patience).emitWithAck(...args);

/** Fails the test if the client loses its connection. */
function keep(socket) {
  socket.on('disconnect', (reason, details) => { socket.lost = `${reason} ${details?.message ?? ''}`; });
  return socket;
}

const stays = (socket) => assert.equal(socket.lost, undefined);

for (const mode of Object.keys(modes)) {
  test(`${mode}: a query parameter t of the user's own changes nothing`, async () => {
    const socket = keep(await connectIn(mode, { ...options, query: { t: 'mine' }, timestampRequests: false }));
    const got = [];
    socket.on('self', (n) => got.push(n));
    assert.equal(await ask(socket, 'burst', 30), 30);
    assert.equal(await ask(socket, 'burst', 0), 0);
    await until(() => got.length >= 30, 'the events did not come');
    await sleep(300); // for what comes twice
    assertSequence(got, 30, 'events');
    stays(socket);
  });

  test(`${mode}: a client that offers subprotocols connects`, async () => {
    const socket = await connectIn(mode, { ...options, protocols: ['my-app', 'token.abc'] });
    assert.equal(await ask(socket, 'str', 'x'), 'x');
  });

  test(`${mode}: text of every kind of character, of which XML and queues take some alone`, async () => {
    const socket = keep(await connectIn(mode, options));
    const all = '\ufffe\uffff\ufdd0\u007f\u0085\u2028\0\x1e\x1f\ud83d\ude00\u{10ffff}&<>+%=" \\';
    assert.equal(await ask(socket, 'str', all), all);
    stays(socket);
  });

  test(`${mode}: one tick of emits with acknowledgements`, async () => {
    const socket = keep(await connectIn(mode, options));
    const count = mode === 'polling' || !text ? 1500 : 150; // frames by WebSocket are calls of a function there
    const answers = await Promise.all(Array.from({ length: count }, (_, i) => ask(socket, 'int', i)));
    assertSequence(answers, count, 'answers');
    stays(socket);
  });

  test(`${mode}: an event of a thousand emits`, async () => {
    const socket = keep(await connectIn(mode, options));
    const got = [];
    socket.on('self', (n) => got.push(n));
    assert.equal(await ask(socket, 'burst', 1200), 1200);
    await until(() => got.length >= 1200, () => `${got.length} of 1200 came`);
    assertSequence(got, 1200, 'events');
    stays(socket);
  });

  test(`${mode}: left and joined again in one tick, the rest lives`, async () => {
    const both = manager({ ...options, ...modes[mode] });
    const [main, custom] = [keep(both.socket('/')), both.socket('/custom', { auth: { hello: true } })];
    await Promise.all([once(main, 'connect', patience), once(custom, 'hello', patience)]);
    for (let i = 0; i < 5; i++) {
      custom.disconnect();
      custom.connect();
      await once(custom, 'hello', patience);
    }
    assert.equal(await ask(main, 'int', 7), 7);
    stays(main);
  });

  test(`${mode}: mistakes of a handler cost no connection`, async () => {
    const socket = keep(await connectIn(mode, options));
    for (const event of ['panic', 'err', 'late', 'askme']) socket.emit(event);
    assert.deepEqual(await ask(socket, 'int', 'no number'), { message: 'Invalid arguments' });
    assert.equal(await ask(socket, 'twice'), 'one');
    const other = await connect({ ...options, ...modes[mode] });
    assert.equal(await ask(other, 'str', 'neighbour'), 'neighbour');
    stays(socket);
  });

  test(`${mode}: a handler set inside a connection refuses that connection alone`, async () => {
    const good = keep(await connectIn(mode, options));
    const [error] = await once(start({ ...options, ...modes[mode], auth: { late: true } }), 'connect_error', patience);
    assert.equal(error.message, 'Internal server error');
    assert.equal(await ask(good, 'str', 'still here'), 'still here');
    stays(good);
  });
}

test('polling: an acknowledgement that is too large is an error for who asked', async () => {
  const socket = keep(await connectIn('polling', options));
  const fits = msgpack ? 98_000 : 100_000; // a packet of 128 KB, in base64
  assert.equal((await ask(socket, 'str', 'x'.repeat(fits))).length, fits);
  const answer = await ask(socket, 'str', 'x'.repeat(140_000));
  assert.equal(typeof answer.message, 'string');
  assert.equal(await ask(socket, 'str', 'x'), 'x');
  stays(socket);
});

test('polling: an auth that is too large is told', async () => {
  const [error] = await once(start({ ...options, ...modes.polling, auth: { pad: 'a'.repeat(450_000) } }), 'connect_error', patience);
  assert.equal(error.message, 'Auth too large');
});
