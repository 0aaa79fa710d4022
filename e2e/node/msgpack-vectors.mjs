// Writes packets as both parsers of the reference do, for internal/socketio to compare with its own:
//
//   node msgpack-vectors.mjs > ../../internal/socketio/testdata/msgpack.json
//
// "text" and "attachments" are those of socket.io-parser, "msgpack" is that of socket.io-msgpack-parser. What "exact" is
// not is written in another way by a server, for which it has come as JSON.

import { Encoder as JSONEncoder, PacketType } from 'socket.io-parser';
import { Encoder as MsgPackEncoder } from 'socket.io-msgpack-parser';

const CONNECT = PacketType.CONNECT;
const DISCONNECT = PacketType.DISCONNECT;
const EVENT = PacketType.EVENT;
const ACK = PacketType.ACK;
const CONNECT_ERROR = PacketType.CONNECT_ERROR;

/** Numbers of a sequence that is the same at each run. */
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const draw = random(7);

function number() {
  const sign = draw(2) ? 1 : -1;
  switch (draw(3)) {
    case 0: return sign * draw(40);
    case 1: return sign * Math.floor(2 ** draw(53));
    default: return (sign * draw(1e6)) / 2 ** draw(20);
  }
}

function value(depth) {
  switch (draw(depth > 2 ? 6 : 8)) {
    case 0: return null;
    case 1: return draw(2) === 0;
    case 2: case 3: return number();
    case 4: return [...'aü😀"\\\n\u2028 0'].slice(0, draw(9)).join('').repeat(draw(9));
    case 5: return Buffer.alloc(draw(40), depth);
    case 6: return Array.from({ length: draw(20) }, () => value(depth + 1));
    default: return Object.fromEntries(Array.from({ length: draw(20) }, (_, i) => [`k${i}`, value(depth + 1)]));
  }
}

const event = (...data) => ({ type: EVENT, data: ['e', ...data], nsp: '/' });
const long = (n) => 'x'.repeat(n);

const exact = {
  connect: { type: CONNECT, nsp: '/' },
  'connect, auth': { type: CONNECT, data: { token: 'ü', n: 1 }, nsp: '/' },
  'connect, namespace': { type: CONNECT, nsp: '/admin' },
  'connected': { type: CONNECT, data: { sid: 'oSO0OpakMV_3jnilAAAA' }, nsp: '/' },
  disconnect: { type: DISCONNECT, nsp: '/' },
  'disconnect, namespace': { type: DISCONNECT, nsp: '/admin' },
  'connect error': { type: CONNECT_ERROR, data: { message: 'no', data: { code: 7 } }, nsp: '/' },
  'connect error, text': { type: CONNECT_ERROR, data: 'no', nsp: '/' },
  'event without arguments': event(),
  'event with a number for a name': { type: EVENT, data: [1.5, 'a'], nsp: '/' },
  'id 0': { type: EVENT, data: ['e'], id: 0, nsp: '/' },
  'id 128': { type: EVENT, data: ['e'], id: 128, nsp: '/' },
  'the highest id': { type: EVENT, data: ['e'], id: Number.MAX_SAFE_INTEGER, nsp: '/' },
  'acknowledgement': { type: ACK, data: [], id: 3, nsp: '/' },
  'acknowledgement, values': { type: ACK, data: [1, { a: null }], id: 3, nsp: '/n' },
  'acknowledgement, binary': { type: ACK, data: [Buffer.from('abc')], id: 3, nsp: '/n' },
  'literals': event(null, true, false),
  'numbers': event(
    0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, 0x100000000, Number.MAX_SAFE_INTEGER,
    -1, -0x20, -0x21, -0x80, -0x81, -0x8000, -0x8001, -0x80000000, -0x80000001, Number.MIN_SAFE_INTEGER,
    0.5, -0.1, 1e-7, 1.1, Number.MIN_VALUE,
  ),
  'texts': event('', 'ü', '😀', '"\\/\b\f\n\r\t\u0000\u001f\u2028', long(31), long(32), long(255), long(256)),
  'arrays': event([], [[]], Array(15).fill(0), Array(16).fill(0)),
  'objects': event({}, { a: {} }, Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`k${i}`, i]))),
  'keys': event({ '': 0, 'ü"\n': 1, __proto__x: 2, num: 3 }),
  'binary': event(Buffer.alloc(0), Buffer.from([0, 255]), Buffer.alloc(255), Buffer.alloc(256)),
  'binary, deep': event({ a: [{ b: Buffer.from('x') }, Buffer.from('y')] }, 'z', Buffer.from('x')),
  'ten attachments': event(...Array.from({ length: 10 }, (_, i) => Buffer.from([i]))),
  'what looks like an attachment': event({ _placeholder: true, num: 0 }),
};
for (let i = 0; i < 30; i++) {
  const packet = event(value(0), value(0));
  if (draw(2)) packet.nsp = '/random';
  exact[`random ${i}`] = packet;
}

const read = {
  'undefined': event(undefined, { a: undefined, b: 1, c: undefined }, [undefined]),
  'an object that is all undefined': event({ a: undefined }),
  'dates': event(new Date(0), new Date(1.5e12), new Date(-1), new Date(8.64e15), new Date(-8.64e15)),
  'years': event(...[-1, 0, 1, 999, 9999, 10000].map((year) => new Date(Date.UTC(2000, 0, 1, 1, 2, 3, 4)).setUTCFullYear(year)).map((ms) => new Date(ms))),
  'ArrayBuffers': event(...[0, 1, 2, 4, 8, 16, 256].map((n) => new Uint8Array(n).fill(n).buffer)),
  'NaN and the infinite': event(NaN, Infinity, -Infinity, [NaN]),
  'minus zero': event(-0),
  'toJSON': event({ toJSON: () => 'text' }),
  'functions': event({ f() {}, a: 1 }),
  'options of a client': { type: EVENT, data: ['e', 1], options: { compress: true }, id: 5, nsp: '/' },
  'connect of a client': { type: CONNECT, data: undefined, options: undefined, nsp: '/' },
  'another order': { nsp: '/a', id: 1, data: ['e'], type: EVENT },
  'order of an acknowledgement': { id: 1, type: ACK, data: ['e'], nsp: '/' },
};

function vector(name, packet, isExact) {
  const [msgpack] = new MsgPackEncoder().encode(packet);
  const [text, ...attachments] = new JSONEncoder().encode({ ...packet });
  return {
    name, exact: isExact, text, attachments: attachments.map((a) => Buffer.from(a).toString('base64')),
    msgpack: msgpack.toString('base64'),
  };
}

const vectors = [
  ...Object.entries(exact).map(([name, packet]) => vector(name, packet, true)),
  ...Object.entries(read).map(([name, packet]) => vector(name, packet, false)),
];
process.stdout.write(`[\n${vectors.map((v) => JSON.stringify(v)).join(',\n')}\n]\n`);
