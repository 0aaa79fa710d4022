// What the API of a Socket.IO server promises, as the official client meets it. The server runs the application
// "cases", in several instances that share nothing but the store.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, connect, connectIn, manager, modes, once, start, until } from './clients.mjs';
import { Polling, socketIO, test } from './wire.mjs';

cleanUp();

const patience = 20_000;
const text = process.env.NONSTICK_FRAMES === 'text';
const options = { forceBase64: text, reconnection: false };
const ask = (socket, ...args) => socket.timeout(patience).emitWithAck(...args);

/** A name that no other test has used. */
const fresh = (prefix) => prefix + randomUUID().replaceAll('-', '');

/** Connects to a namespace and returns the socket once it is connected. */
async function join(namespace, more = {}) {
  const socket = start({ ...options, ...more }, { namespace });
  await once(socket, 'connect', patience);
  return socket;
}

/** Connects to a namespace that must refuse, and returns the error. */
async function refused(namespace, more = {}) {
  const [error] = await once(start({ ...options, ...more }, { namespace }), 'connect_error', patience);
  return error;
}

for (const mode of Object.keys(modes)) {
  test(`${mode}: a namespace of a pattern is there as soon as a client joins it`, async () => {
    const name = fresh('/tenant-');
    const [one, two, other] = await Promise.all([name, name, fresh('/tenant-')].map((n) => join(n, modes[mode])));
    assert.equal(await ask(one, 'where'), name);
    const got = [];
    for (const [i, socket] of [one, two, other].entries()) socket.on('said', (word) => got.push(`${i} ${word}`));
    assert.equal(await ask(two, 'lobby', 'hi'), true);
    await until(() => got.length === 2, () => `got ${got}`);
    assert.equal(await ask(other, 'lobby', 'alone'), true);
    await until(() => got.length === 3, () => `got ${got}`);
    assert.deepEqual(got.sort(), ['0 hi', '1 hi', '2 alone']);
    two.disconnect();
    const [id, reason] = await once(one, 'left', patience);
    assert.equal(typeof id, 'string');
    assert.equal(reason, 'client namespace disconnect');
  });
}

test('a namespace of a function is there for those that it lets in, each time', async () => {
  const name = fresh('/club/');
  assert.equal((await refused(name)).message, 'Invalid namespace');
  const member = await join(name, { auth: { member: true } });
  assert.equal(await ask(member, 'where'), name);
  assert.equal((await refused(name, { auth: { member: false } })).message, 'Invalid namespace');
  assert.equal((await refused(fresh('/clubs/'), { auth: { member: true } })).message, 'Invalid namespace');
});

test('a name that no pattern matches is an invalid namespace, and the connection stays', async () => {
  const both = manager(options);
  const good = both.socket('/');
  await once(good, 'connect', patience);
  const [error] = await once(both.socket('/tenant-not!'), 'connect_error', patience);
  assert.equal(error.message, 'Invalid namespace');
  assert.equal(await ask(good, 'str', 'still here'), 'still here');
});

test('one connection may be in several namespaces of a pattern', async () => {
  const both = manager(options);
  const names = [fresh('/tenant-'), fresh('/tenant-'), fresh('/tenant-')];
  const sockets = names.map((name) => both.socket(name));
  await Promise.all(sockets.map((socket) => once(socket, 'connect', patience)));
  assert.deepEqual(await Promise.all(sockets.map((socket) => ask(socket, 'where'))), names);
  sockets[1].disconnect();
  assert.equal(await ask(sockets[0], 'where'), names[0]);
  assert.equal(new Set(sockets.filter((socket) => socket.connected).map((socket) => socket.id)).size, 2);
});

test('a parent emits to all of its children', async () => {
  const sockets = await Promise.all([1, 2, 3].map(() => join(fresh('/tenant-'))));
  const outside = await connect(options);
  const mark = fresh('');
  const got = [];
  for (const [i, socket] of sockets.entries()) socket.on('all', (word) => word === mark && got.push(i));
  outside.on('all', () => got.push('outside'));
  assert.equal(await ask(sockets[1], 'siblings', mark), true);
  await until(() => got.length >= 3, () => `got ${got}`);
  assert.deepEqual(got.sort(), [0, 1, 2]);
});

test('the first socket of a namespace is told once', async () => {
  const watcher = await connectIn('websocket', options);
  assert.equal(await ask(watcher, 'join', 'births'), 'ok');
  const name = fresh('/tenant-');
  const born = [];
  watcher.on('born', (which) => which === name && born.push(which));
  await Promise.all([1, 2, 3, 4, 5, 6].map(() => join(name)));
  await until(() => born.length > 0, 'it was not told');
  await sleep(300); // for what comes twice
  assert.equal(born.length, 1);
});

for (const mode of Object.keys(modes)) {
  test(`${mode}: middleware refuses with a message and data, and the same connection may try again`, async () => {
    const one = manager({ ...options, ...modes[mode] });
    const auth = { deny: true };
    const socket = one.socket('/hooks', { auth });
    const [error] = await once(socket, 'connect_error', patience);
    assert.equal(error.message, 'denied');
    assert.deepEqual(error.data, { code: 7, text: 'ü😀' });
    auth.deny = false;
    socket.connect();
    await once(socket, 'connect', patience);
  });

  test(`${mode}: the hook of a connected socket finds it in its rooms, after the client was told`, async () => {
    const socket = start({ ...options, ...modes[mode] }, { namespace: '/hooks' });
    const order = [];
    socket.on('connect', () => order.push('connect'));
    socket.on('ready', (n) => order.push(n));
    await until(() => order.length === 2, () => `got ${order}`);
    assert.deepEqual(order, ['connect', 1]);
  });
}

test('middleware for events refuses with an acknowledgement, listeners of all see it', async () => {
  const socket = await join('/hooks');
  const saw = [];
  socket.on('saw', (event) => saw.push(event));
  assert.deepEqual(await ask(socket, 'forbidden', 1), { message: 'denied', data: { code: 7, text: 'ü😀' } });
  socket.emit('no such event');
  assert.equal(await ask(socket, 'out'), 3); // "saw", three times
  await until(() => saw.length === 3, () => `saw ${saw}`);
  assert.deepEqual(saw, ['forbidden', 'no such event', 'out']);
});

test('the handshake is whole', async () => {
  const origin = 'https://page.example.org';
  const extraHeaders = { 'X-Test': 'yes' };
  const before = Date.now();
  const socket = await join('/hooks', { ...modes.polling, query: { who: 'me' }, auth: { token: 'x' }, extraHeaders });
  const h = await ask(socket, 'handshake');
  assert.equal(h.query.who, 'me');
  assert.equal(h.query.transport, 'polling');
  assert.equal(h.headers['x-test'], 'yes');
  assert.deepEqual(h.auth, { token: 'x' });
  assert.match(h.address, /^(127\.0\.0\.1|::1|::ffff:127\.0\.0\.1)$/);
  assert.ok(h.issued > before - 60_000 && h.issued < Date.now() + 60_000, `issued ${h.issued}`);
  assert.equal(new Date(h.time).getTime(), h.issued);
  assert.equal(h.secure, false);
  assert.equal(h.xdomain, false);
  assert.match(h.url, /^\/socket\.io\/\?.*who=me/);
  const other = await join('/hooks', { ...modes.polling, extraHeaders: { origin } });
  assert.equal((await ask(other, 'handshake')).xdomain, true);
});

for (const mode of Object.keys(modes)) {
  test(`${mode}: a socket that leaves is seen in its rooms, and then in none`, async () => {
    const watcher = await connectIn('websocket', options);
    assert.equal(await ask(watcher, 'join', 'watchers'), 'ok');
    const room = fresh('room ');
    const socket = await connectIn(mode, { ...options, auth: { room } });
    const { id } = socket;
    const told = [];
    for (const event of ['left', 'gone']) watcher.on(event, (of) => of.id === id && told.push({ event, ...of }));
    socket.disconnect();
    await until(() => told.length === 2, () => `told ${JSON.stringify(told)}`);
    const reasons = ['client namespace disconnect', 'transport close']; // which of the two comes first is the network's
    assert.ok(reasons.includes(told[0].reason), told[0].reason);
    assert.deepEqual(told, [
      { event: 'left', id, reason: told[0].reason, rooms: [room] },
      { event: 'gone', id, reason: told[0].reason, rooms: [] },
    ]);
  });
}

test('of devices that leave at once the last finds that it is', async () => {
  const watcher = await connectIn('websocket', options);
  assert.equal(await ask(watcher, 'join', 'watchers'), 'ok');
  const found = new Map();
  watcher.on('last', (room, others) => found.set(room, [...(found.get(room) ?? []), others]));
  const people = Array.from({ length: 6 }, () => fresh('person '));
  await Promise.all(people.map(async (room) => {
    const devices = await Promise.all(Object.values(modes).map((mode) => join('/hooks', { ...mode, auth: { room } })));
    for (const device of devices) device.disconnect();
    await until(() => found.get(room)?.length === devices.length, () => `${room}: ${found.get(room)}`);
    assert.ok(found.get(room).includes(0), `none of them was the last: ${found.get(room)}`);
  }));
});

for (const mode of Object.keys(modes)) {
  test(`${mode}: hooks tell which rooms are made, come into, left and gone`, async () => {
    const watcher = await connectIn('websocket', options);
    assert.equal(await ask(watcher, 'join', 'watchers'), 'ok');
    const [first, second] = [fresh('first '), fresh('second ')];
    const told = [];
    watcher.on('room', (what, room, ...rest) => { if ([first, second].includes(room)) told.push([what, room, ...rest]); });
    const hears = async (...want) => {
      await until(() => told.length >= want.length, () => `told ${JSON.stringify(told)}`);
      assert.deepEqual(told.splice(0), want);
    };
    const a = await join('/rooms', { ...modes[mode], auth: { room: first } });
    const id = { a: a.id };
    await hears(['create', first], ['join', first, id.a]);
    const b = await join('/rooms', { ...modes[mode], auth: { room: first } });
    id.b = b.id;
    await hears(['join', first, id.b]);
    assert.equal(await ask(a, 'join', second), 'ok');
    assert.equal(await ask(a, 'join', second), 'ok');
    await hears(['create', second], ['join', second, id.a]);
    assert.equal(await ask(a, 'put', id.b, second), 'ok');
    await hears(['join', second, id.b]);
    assert.equal(await ask(a, 'leave', second), 'ok');
    assert.equal(await ask(a, 'leave', second), 'ok');
    await hears(['leave', second, id.a]);
    b.disconnect();
    await hears(['leave', first, id.b], ['leave', second, id.b], ['delete', second]);
    a.io.engine.close();
    await hears(['leave', first, id.a], ['delete', first]);
  });
}

test('of sockets that come into a room at once, and leave it at once, one at least is the first and the last', async () => {
  const watcher = await connectIn('websocket', options);
  assert.equal(await ask(watcher, 'join', 'watchers'), 'ok');
  const told = new Map();
  watcher.on('room', (what, room) => told.set(room, [...(told.get(room) ?? []), what]));
  const count = (room, what) => (told.get(room) ?? []).filter((each) => each === what).length;
  const sockets = await Promise.all(Array.from({ length: 4 }, () => join('/rooms')));
  await Promise.all(Array.from({ length: 5 }, async () => {
    const room = fresh('rush ');
    await Promise.all(sockets.map((socket) => ask(socket, 'join', room)));
    await until(() => count(room, 'join') === 4, () => `${room}: ${told.get(room)}`);
    assert.ok(count(room, 'create') >= 1, `${told.get(room)}`);
    await Promise.all(sockets.map((socket) => ask(socket, 'leave', room)));
    await until(() => count(room, 'leave') === 4 && count(room, 'delete') >= 1, () => `${room}: ${told.get(room)}`);
  }));
});

/** Connects members by turns over each transport, with the rooms that each is in, and notes what they are told. */
async function hall(rooms) {
  const got = [];
  const all = Object.values(modes);
  const members = await Promise.all(rooms.map((_, i) => connect({ ...options, ...all[i % all.length] })));
  await Promise.all(members.flatMap((socket, i) => {
    socket.on('said', (word) => got.push(`${i} ${word}`));
    return rooms[i].map((room) => ask(socket, 'join', room));
  }));
  return { got, members };
}

test('a selection of two rooms and another reaches those in it, at any instance', async () => {
  const [a, b, c] = [fresh('a-'), fresh('b-'), fresh('c-')];
  const { got, members } = await hall([[a], [b], [c], [a, c], [b, c], [a, b, c], [a, b], []]);
  const cast = async (by, choice, expected) => {
    got.length = 0;
    assert.equal(await ask(members[by], 'cast', choice, 'hi'), true);
    await Promise.all(members.map((socket) => ask(socket, 'str', 'what was on its way is here now')));
    await until(() => got.length >= expected.length, () => `got ${got}`);
    assert.deepEqual(got.sort(), expected.map((i) => `${i} hi`));
  };
  await cast(7, { to: [a, b], and: [c] }, [3, 4, 5]);
  await cast(0, { and: [a, b, c] }, [5]);
  await cast(1, { and: [c, a], except: [b] }, [3]);
  await cast(2, { to: [a], and: [members[6].id] }, [6]);
  await cast(3, { to: [a], and: [fresh('none-')] }, []);
});

test('the members of a selection are counted and listed, at any instance, as soon as they have joined', async () => {
  const [a, b] = [fresh('a-'), fresh('b-')];
  const { members } = await hall([[a], [a, b], [a], [b], [a, b], []]);
  const ids = (...list) => list.map((i) => members[i].id).sort();
  const expect = async (choice, ...list) => {
    const found = await ask(members[5], 'members', choice);
    assert.deepEqual([found.count, found.any], [list.length, list.length > 0]);
    assert.deepEqual([found.ids.sort(), Object.keys(found.rooms).sort()], [ids(...list), ids(...list)]);
    return found;
  };
  const found = await expect({ to: [a] }, 0, 1, 2, 4);
  assert.deepEqual(found.rooms[members[1].id], [a, b].sort());
  await expect({ to: [b] }, 1, 3, 4);
  await expect({ to: [a, b] }, 0, 1, 2, 3, 4);
  await expect({ to: [a], and: [b] }, 1, 4);
  await expect({ to: [a], except: [b] }, 0, 2);
  await expect({ to: [members[3].id] }, 3);
  await expect({ to: [fresh('none-')] });
  assert.ok((await ask(members[0], 'members', {})).count >= 6);
  assert.equal(await ask(members[0], 'leave', a), 'ok');
  await expect({ to: [a] }, 1, 2, 4);
  const gone = members[1].id;
  members[1].disconnect();
  const deadline = Date.now() + patience;
  while ((await ask(members[5], 'members', { to: [a] })).ids.includes(gone)) {
    assert.ok(Date.now() < deadline, 'it is still counted');
  }
  await expect({ to: [a] }, 2, 4);
});

/** Has clients answer "q" with a word each; those without one keep silent. */
function answers(members, words) {
  for (const [i, word] of words.entries()) members[i].on('q', (_, ack) => word && ack(word));
}

test('a question to a selection is answered by all of it, at any instance, on any transport', async () => {
  const [a, b] = [fresh('a-'), fresh('b-')];
  const { members } = await hall([[a], [a, b], [a], [b], []]);
  answers(members, ['one', 'two', 'three', 'four']);
  const byId = (list) => Object.fromEntries(list.map(([i, word]) => [members[i].id, word]));
  const whole = await ask(members[4], 'vote', { to: [a] }, 15_000);
  assert.deepEqual(whole, { answers: byId([[0, 'one'], [1, 'two'], [2, 'three']]), missing: [], late: false });
  const some = await ask(members[4], 'vote', { to: [a], and: [b] }, 15_000);
  assert.deepEqual(some, { answers: byId([[1, 'two']]), missing: [], late: false });
  assert.deepEqual(await ask(members[4], 'vote', { to: [fresh('none-')] }, 15_000), {
    answers: {}, missing: [], late: false,
  });
});

test('who has not answered in time is told, with the answers that came', async () => {
  const a = fresh('a-');
  const { members } = await hall([[a], [a], [a], []]);
  answers(members, ['one', '', 'three']);
  const ballot = await ask(members[3], 'vote', { to: [a] }, 2_000);
  assert.deepEqual(ballot, {
    answers: { [members[0].id]: 'one', [members[2].id]: 'three' }, missing: [members[1].id], late: true,
  });
});

test('answers that no handler waits for are taken as they come, and who gave none is told later', async () => {
  const a = fresh('a-');
  const { members } = await hall([[a], [a], [a], []]);
  answers(members, ['one', '', 'three']);
  const got = [];
  members[3].on('voted', (id, word) => got.push([id, word]));
  const silent = once(members[3], 'silent', patience);
  members[3].emit('poll', { to: [a] }, 3_000);
  await until(() => got.length === 2, () => `got ${got}`);
  assert.deepEqual(got.sort(), [[members[0].id, 'one'], [members[2].id, 'three']].sort());
  assert.deepEqual(await silent, [[members[1].id]]);
  assert.equal(got.length, 2);
});

test('an event to the server is handled once, by some instance, at its time', async () => {
  const socket = await connect(options);
  const got = [];
  let early = true;
  socket.on('later', (word) => got.push(`${word}${word === 'then' && early ? ', early' : ''}`));
  assert.equal(await ask(socket, 'later', 1_500, 'then'), true);
  setTimeout(() => { early = false; }, 1_000); // not before it, whatever the clocks of a busy machine do
  assert.equal(await ask(socket, 'later', 0, 'now'), true);
  await until(() => got.length === 2, () => `got ${got}`);
  await sleep(500);
  assert.deepEqual(got.sort(), ['now', 'then']);
});

test('a socket whose time is over is told to the application, unless it was given more', async () => {
  const [ends, stays] = await Promise.all([connect(options), connect(options)]);
  let expired = false;
  ends.on('expired', () => { expired = true; });
  const gone = once(ends, 'disconnect', patience);
  assert.equal(await ask(stays, 'expire', 500), true);
  assert.equal(await ask(stays, 'expire', 3_600_000), true);
  assert.equal(await ask(ends, 'expire', 500), true);
  assert.equal((await gone)[0], 'io server disconnect');
  assert.ok(expired);
  await sleep(1_000);
  assert.equal(await ask(stays, 'str', 'still here'), 'still here');
});

for (const mode of Object.keys(modes)) {
  test(`${mode}: a volatile event reaches a client that can take it, at any instance`, async () => {
    const room = fresh('room-');
    const [sender, member] = await Promise.all([connect(options), connectIn(mode, options)]);
    assert.equal(await ask(member, 'join', room), 'ok');
    const got = [];
    member.on('said', (word) => got.push(word));
    for (let n = 0; got.length < 3; n++) { // one that comes between two polls is dropped
      assert.ok(n < 100, `got ${got}`);
      assert.equal(await ask(sender, 'cast', { to: [room], volatile: true }, n), true);
      await sleep(50);
    }
    assert.deepEqual(got, [...got].sort((a, b) => a - b), 'in order');
    assert.equal(new Set(got).size, got.length, 'once each');
  });
}

test('a volatile event is not kept for a client that is away, at any instance', async () => {
  const room = fresh('room-');
  const sender = await connect(options);
  const away = await Polling.open(socketIO); // it has no GET open but while it asks for something
  await away.send('40');
  await away.packetsUntil((packet) => packet.startsWith('40'));
  await away.send(`420["join","${room}"]`);
  await away.packetsUntil((packet) => packet.startsWith('430'));
  const cast = (choice, word) => ask(sender, 'cast', { to: [room], ...choice }, word);
  for (const n of [1, 2, 3]) assert.equal(await cast({ volatile: true }, n), true);
  assert.equal(await cast({}, 'kept'), true);
  const said = (packet) => packet.startsWith('42["said"');
  assert.deepEqual((await away.packetsUntil(said)).filter(said), ['42["said","kept"]']);
  const waits = away.packetsUntil(said);
  let answered = false;
  waits.finally(() => { answered = true; });
  for (let n = 0; !answered; n++) { // the first that finds it waiting
    assert.ok(n < 100, 'it did not come');
    assert.equal(await cast({ volatile: true }, 'now'), true);
    await sleep(100);
  }
  assert.deepEqual((await waits).filter(said), ['42["said","now"]']);
});
