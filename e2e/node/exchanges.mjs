// The raw exchanges that both servers play, made of tables. Each is a name and what a peer does.

import { setTimeout as sleep } from 'node:timers/promises';
import { quiet } from './exchange.mjs';

const RS = '\x1e';
const all = [];
const add = (name, play) => all.push({ name, play });

/** Every exchange. */
export default all;

// Requests: method, session, version, transport.
const sessions = {
  none: async () => null,
  empty: async () => '',
  unknown: async () => 'AAAAAAAAAAAAAAAAAAAA',
  prototype: async () => '__proto__',
  polling: async (p) => (await p.open()).sid,
  websocket: async (p) => { p.wire = await p.wsSession(); return p.sid; },
  closed: async (p) => { await p.open(); await p.send('POST', { body: '1', query: { sid: p.sid } }); return p.sid; },
};
for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS']) {
  for (const [session, make] of Object.entries(sessions)) {
    for (const EIO of ['4', '3', null]) {
      for (const transport of ['polling', 'websocket', 'nothing']) {
        add(`request ${method} sid=${session} EIO=${EIO} transport=${transport}`, async (p) => {
          const sid = await make(p);
          if (session === 'polling' && method === 'GET') await p.send('POST', { body: '4waiting', query: { sid } });
          await p.request(method, { query: { sid, EIO, transport }, body: method === 'GET' || method === 'HEAD' ? undefined : '4x', wait: 700 });
          if (session === 'polling') await p.fetch();
          if (session === 'websocket') await p.wire.alive();
        });
      }
    }
  }
}
for (const [name, raw] of Object.entries({
  'no slash': '/engine.io?EIO=4&transport=polling', 'another path': '/nothing/?EIO=4&transport=polling', 'no query': '/engine.io/',
  'something behind the path': '/engine.io/x?EIO=4&transport=polling', 'the last of two': '/engine.io/?EIO=3&EIO=4&transport=polling',
  'the last of two, wrong': '/engine.io/?EIO=4&EIO=3&transport=polling', 'no EIO': '/engine.io/?transport=polling', 'EIO=5': '/engine.io/?EIO=5&transport=polling',
  'EIO=04': '/engine.io/?EIO=04&transport=polling', 'webtransport': '/engine.io/?EIO=4&transport=webtransport', 'b64': '/engine.io/?EIO=4&transport=polling&b64=1',
  'escaped': '/engine.io/?EIO=%34&transport=poll%69ng', 'a bad escape': '/engine.io/?EIO=4&transport=polling&x=%zz', 'a plus': '/engine.io/?EIO=4&transport=polling+',
})) add(`request ${name}`, async (p) => { await p.request('GET', { raw }); });

// WebSocket upgrades: session, version, transport.
for (const [session, make] of Object.entries(sessions)) {
  for (const EIO of ['4', '3', null]) {
    for (const transport of ['websocket', 'polling', 'nothing']) {
      add(`upgrade sid=${session} EIO=${EIO} transport=${transport}`, async (p) => {
        const sid = await make(p);
        const wire = await p.ws({ query: { sid, EIO, transport } });
        if (wire.opened) await wire.drain();
        if (session === 'polling') await p.fetch();
        if (session === 'websocket') await p.wire.alive();
      });
    }
  }
}
for (const [name, headers] of Object.entries({
  'one subprotocol': { protocols: ['engine.io'] }, 'two subprotocols': { protocols: ['v1.app', 'v2.app'] }, 'Connection in two lines': { headers: { connection: ['keep-alive', 'Upgrade'] } },
  'Connection as a list': { headers: { connection: 'keep-alive, Upgrade' } }, 'of an origin': { headers: { origin: 'http://else.example' } },
})) {
  add(`upgrade ${name}`, async (p) => {
    const wire = await p.ws(headers);
    if (wire.opened) p.note('protocol', wire.ws.protocol);
    if (wire.opened) await wire.drain();
  });
}

// Bodies of a POST, with a GET parked and without.
const bodies = {
  'nothing': '', 'message': '4a', 'two messages': `4a${RS}4b`, 'empty message': '4', 'pong': '3', 'pong with data': '3probe', 'ping': '2', 'probe': '2probe', 'open': '0', 'open with data': '0{}',
  'close': '1', 'close with data': '1x', 'upgrade': '5', 'noop': '6', 'type 7': '7', 'a letter': 'a', 'blank': ' ', 'zero byte': '\x00', 'byte order mark': '\ufeff4a', 'line break before': '\n4a', 'line break behind': '4a\n',
  'separator behind': `4a${RS}`, 'separator before': `${RS}4a`, 'separators between': `4a${RS}${RS}4b`, 'separator alone': RS, 'bad second': `4a${RS}x${RS}4b`, 'close between': `4a${RS}1${RS}4b`,
  'ping between': `4a${RS}2${RS}4b`, 'many scripts': '4ä€漢🙂', 'lone surrogate': Buffer.from([0x34, 0xed, 0xa0, 0x80]), 'not UTF-8': Buffer.from([0x34, 0xff, 0xfe, 0x61]), 'half a character': Buffer.from([0x34, 0xe2, 0x82]),
  'binary': 'bAQIDBA==', 'binary, empty': 'b', 'binary, unpadded': 'bAQI', 'binary, URL alphabet': 'b-_-_', 'binary, lines': 'bAQID\r\nBA==\n', 'binary, garbage': 'b!AQ?ID', 'binary, padding inside': 'bAQ==AQ==', 'binary, no base64': 'b€',
  'binary, one character': 'bA', 'binary and text': `bAQ==${RS}4a${RS}bAg==`, 'capital B': 'BAQ==', 'large': `4${'x'.repeat(5000)}`, 'type 10': '10', 'emoji': '🙂', 'pongs': Array(50).fill('3').join(RS), 'noops': Array(50).fill('6').join(RS),
};
for (const [name, body] of Object.entries(bodies)) {
  for (const parked of [false, true]) {
    add(`body ${name}${parked ? ', GET parked' : ''}`, async (p) => {
      await p.open();
      const poll = parked ? p.park() : null;
      await poll?.ready;
      await p.post(body);
      if (poll) {
        await sleep(quiet);
        await p.send('POST', { body: '4end', query: { sid: p.sid } });
        await poll.end();
      }
      await p.fetch();
    });
  }
}
for (const type of ['application/octet-stream', 'application/octet-stream; x=y', 'APPLICATION/octet-stream', 'application/json', 'text/plain', 'image/png', 'application/x-www-form-urlencoded', 'multipart/form-data', '']) {
  add(`content type ${type}`, async (p) => { await p.open(); await p.post('4a', { headers: { 'content-type': type } }); await p.fetch(); });
}
for (const [name, size] of [['of the limit', 1_000_000], ['above the limit', 1_000_001]]) {
  add(`body ${name}`, async (p) => { await p.open(); await p.post(`6${'x'.repeat(size - 1)}`); await p.fetch(); });
}
for (const accept of [undefined, 'gzip', 'deflate', 'gzip, deflate', 'deflate, gzip', 'br', '*', 'identity', 'gzip;q=0', '*;q=0, gzip', 'gzip, *;q=0', 'gzip;q=0.5, deflate', 'gzip;q=0, *', 'GZIP', 'x-gzip', 'gzip;q=1.0', ' gzip ', 'deflate;q=0.1,gzip;q=0.1', 'gzip;q=abc', '']) {
  for (const size of [1022, 1023]) {
    add(`compression ${accept} ${size}`, async (p) => { await p.open(); await p.send('POST', { body: `4${'y'.repeat(size)}`, query: { sid: p.sid } }); await p.get({ headers: accept === undefined ? {} : { 'accept-encoding': accept } }); });
  }
}
for (const origin of ['http://else.example', 'null']) {
  add(`origin ${origin}`, async (p) => { await p.open(); await p.post('4a', { headers: { origin } }); await p.get({ headers: { origin } }); });
}

// Frames of a WebSocket, as a session and on the way to one.
const frames = {
  'message': ['4a'], 'empty message': ['4'], 'nothing': [''], 'pong': ['3'], 'pong with data': ['3probe'], 'ping': ['2'], 'probe': ['2probe'], 'open': ['0'], 'close': ['1'], 'upgrade': ['5'], 'upgrade with data': ['5x'], 'noop': ['6'], 'type 7': ['7'],
  'a letter': ['x'], 'byte order mark': ['\ufeff4a'], 'binary': [Buffer.from([1, 2])], 'binary, empty': [Buffer.alloc(0)], 'base64': ['bAQI='], 'base64, lines': ['bAQ\nI=\n'], 'base64, garbage': ['b!!'], 'base64, empty': ['b'], 'separator': [`4a${RS}4b`], 'two': ['4a', '4b'],
  'text and binary': ['4a', Buffer.from([7]), '4b'], 'zero byte': ['\x00'], 'blank': [' '],
};
for (const [name, list] of Object.entries(frames)) {
  add(`frame ${name}`, async (p) => { const wire = await p.wsSession(); wire.send(...list); await wire.alive(); });
  for (const probed of [false, true]) {
    for (const parked of [false, true]) {
      add(`frame of a ${probed ? 'probed' : 'fresh'} candidate: ${name}${parked ? ', GET parked' : ''}`, async (p) => {
        await p.open();
        const poll = parked ? p.park({ wait: 2500 }) : null;
        await poll?.ready;
        const wire = await p.ws({ query: { sid: p.sid } });
        if (probed) wire.send('2probe');
        if (probed) p.note('frame', await wire.next());
        if (probed) await poll?.end();
        wire.send(...list);
        await wire.drain(list.some((frame) => /^[4b]/.test(frame.toString('latin1')) || Buffer.isBuffer(frame)) ? 2200 : quiet);
        if (poll && !probed) {
          await p.send('POST', { body: '4end', query: { sid: p.sid } });
          await poll.end();
        }
        await p.fetch();
        if (!wire.closed) await wire.alive();
      });
    }
  }
}
for (const size of [999_999, 1_000_000, 1_000_001]) {
  add(`frame of ${size} bytes`, async (p) => { const wire = await p.wsSession(); wire.send(`6${'x'.repeat(size - 1)}`); await wire.alive(); });
  add(`binary frame of ${size} bytes`, async (p) => { const wire = await p.wsSession(); wire.send(Buffer.alloc(size)); await wire.alive(); });
}

// Packets of Socket.IO, on both transports: text, then attachments.
const place = (num) => `{"_placeholder":true,"num":${num}}`;
const one = Buffer.from('one'), two = Buffer.from('two');
const nested = (depth) => '['.repeat(depth) + ']'.repeat(depth);
const packets = [
  [''], ['0'], ['0{}'], ['0/custom'], ['0/custom,'], ['0/custom,{"a":1}'], ['0/custom,[]'], ['0/custom,null'], ['0/custom,"x"'], ['0/nowhere'], ['0/nowhere,'], ['0/custom?a=b,'], ['0/?a=b,'], ['0/'], ['0//'], ['0/ümlaut🙂,'], ['0/a\nb,'], ['0/\x00,'],
  [`0/${'n'.repeat(600)},`], ['0/custom,7'], ['0/custom, 7{}'], [' '], ['0/CUSTOM,'], ['0/custom/,'], ['0/__proto__,'],
  ['1'], ['1/'], ['1/,'], ['1/custom'], ['1/nowhere'], ['1{}'], ['1null'], ['17'], ['1 '], ['1[]'],
  ['2'], ['27'], ['2[]'], ['2{}'], ['2""'], ['2null'], ['2[null]'], ['2[true]'], ['2[{}]'], ['2[[]]'], ['2[1]'], ['2["message"]'], ['2["message",1,"a",null,true,{"b":[]}]'], ['2["message",1.0,1e3,-0,0.1]'],
  ['2["nobody listens"]'], ['27["nobody listens"]'], ['2["message","ä€漢🙂\\u0000\\ud800"]'], ['2["connect"]'], ['2["disconnect"]'], ['2["disconnecting"]'], ['2["newListener"]'], ['2["removeListener"]'], ['2["connect_error"]'], ['2["error"]'], ['2["\\u0063onnect"]'],
  ['20["message-with-ack",1]'], ['27["message-with-ack",1]'], ['2007["message-with-ack",1]'], ['2 ["message-with-ack",1]'], ['2 7["message-with-ack",1]'], ['27 ["message-with-ack",1]'], ['2\t7\n["message-with-ack",1]'], ['2\u00a07["message-with-ack",1]'], ['2\ufeff7["message-with-ack",1]'],
  ['22147483647["message-with-ack",1]'], ['22147483648["message-with-ack",1]'], ['29007199254740991["message-with-ack",1]'], ['29007199254740993["message-with-ack",1]'], ['29999999999999999999["message-with-ack",1]'], ['2100000000000000000000["message-with-ack",1]'],
  ['21000000000000000000000["message-with-ack",1]'], [`2${'9'.repeat(400)}["message-with-ack",1]`], ['21 2["message-with-ack",1]'], ['2-1["message-with-ack",1]'], ['2+1["message-with-ack",1]'], ['21.5["message-with-ack",1]'], ['21e2["message-with-ack",1]'], ['20x1["message-with-ack",1]'],
  ['2/,["message",1]'], ['2/custom,["message",1]'], ['2/nowhere,["message",1]'], ['2/["message",1]'], ['2/,7["message-with-ack",1]'], ['2["message",1'], ['2["message",1]x'], ['2["message",1] '], ['2["message",1]\n'], ['2[ "message" , 1 ]'], ['2["message",]'], ['2["message",01]'], ['2["message",nul]'],
  ['2["message","\\x"]'], ['2["message","a\nb"]'], ["2['message']"], ['2["message",NaN]'], ['2["message",{"a":1,"a":2}]'], ['2["message",{"__proto__":1}]'], ['2["message",{"constructor":1}]'], ['2["",1]'], ['2[1e400]'], ['2["message",1e400]'],
  ['3'], ['3[]'], ['37'], ['37[]'], ['37[1]'], ['37{}'], ['3{}'], ['3 []'], ['3/custom,7[]'], ['3/nowhere,7[]'], [`3${'9'.repeat(400)}[]`], ['3-1[]'],
  ['4'], ['4{}'], ['4"x"'], ['4{"message":"x"}'], ['4/custom,{}'], ['4[]'], ['7'], ['8'], ['9'], ['a'], ['-'], ['/'], ['b'], ['٣'],
  [`51-["message",${place(0)}]`, one], [`517-["message",${place(0)}]`, one], [`51-7["message-with-ack",${place(0)}]`, one], [`52-["message",${place(0)},${place(1)}]`, one, two], [`52-["message",${place(1)},${place(0)}]`, one, two], [`52-["message",${place(1)}]`, one, two], ['51-["message",1]', one],
  [`51-["message",{"a":[${place(0)}]}]`, one], [`51-["message",${place(1)}]`, one], [`51-["message",${place(-1)}]`, one], [`51-["message",${place('0.5')}]`, one], [`51-["message",${place('-0')}]`, one], [`51-["message",${place('0e5')}]`, one], [`51-["message",${place('"0"')}]`, one], [`51-["message",${place('null')}]`, one],
  ['51-["message",{"_placeholder":true}]', one], ['51-["message",{"_placeholder":1,"num":0}]', one], ['51-["message",{"num":0,"_placeholder":true,"x":1}]', one], ['51-', one], ['51-7', one], ['51-[]', one], ['51-{}', one], [`51-[${place(0)}]`, one], [`51-["connect",${place(0)}]`, one],
  [`50-["message"]`], ['60-7[]'], ['5-["message"]'], ['5["message"]'], ['51["message"]'], [`501-["message",${place(0)}]`, one], [`5+1-["message",${place(0)}]`, one], [`5 1-["message",${place(0)}]`, one], [`51 -["message",${place(0)}]`, one], [`51.0-["message",${place(0)}]`, one], [`51e0-["message",${place(0)}]`, one],
  [`50x1-["message",${place(0)}]`, one], [`50b1-["message",${place(0)}]`, one], [`50o1-["message",${place(0)}]`, one], [`5.1e1-["message",${place(0)}]`, one], ['51.5-["message"]', one], ['5-1-["message"]'], ['5NaN-["message"]'], ['5Infinity-["message"]'], ['51_0-["message"]'], ['511-["message"]'], ['51e1-["message"]', ...Array(10).fill(one)], ['5 -["message"]'],
  [`51-/custom,["message",${place(0)}]`, one], [`51-/nowhere,["message",${place(0)}]`, one], ['61-7[]', one], [`61-7[${place(0)}]`, one], ['61-', one], ['61-7', one], [`61-7[${place(3)}]`, one],
  ['51-["message"]', '2["message"]'], [null, one], [`51-["message",${place(0)}]`, one, two], [`52-["message",${place(0)}]`, one], [`51-["message",${place(0)}]`, Buffer.alloc(0)],
  [`2["message",${nested(200)}]`], [`2["message",${nested(300)}]`], [`2["message",${nested(990)}]`], ['0', '2["message",1]'], ['1', '2["message",1]'], ['1', '0', '2["message",1]'], ['1', '1'], ['0/custom', '0/custom'], ['0/custom', '1/custom', '0/custom'], ['2["message",1]', '2["message",2]'],
  [`2["message","${'x'.repeat(20_000)}"]`],
];
const shown = (part) => (Buffer.isBuffer(part) ? `<${part}>` : JSON.stringify(part).slice(0, 60) + (part === null ? '' : ` ${part.length}`));
for (const list of packets) {
  const parts = list.filter((part) => part !== null);
  const name = parts.map(shown).join(' ');
  add(`packet polling ${name}`, async (p) => {
    await p.join();
    for (const part of parts) await p.post(Buffer.isBuffer(part) ? `b${part.toString('base64')}` : `4${part}`);
    await p.fetch();
  });
  add(`packet websocket ${name}`, async (p) => {
    const wire = await p.wsSession('/socket.io/');
    wire.send(...parts.map((part) => (Buffer.isBuffer(part) ? part : `4${part}`)));
    await wire.drain(); // the reference answers our question before what it handles a tick later
    if (!wire.closed) await wire.alive();
  });
}
// Before any namespace is joined, on polling, one POST each.
for (const list of [['2["message",1]'], ['1'], ['37[]'], ['0'], ['0{"a":1}'], ['0/custom'], ['0/nowhere'], ['0[]'], ['4{}'], ['51-["x"]'], ['5'], ['']]) {
  add(`packet unjoined ${list.map(shown).join(' ')}`, async (p) => {
    p.path = '/socket.io/';
    await p.open();
    for (const part of list) await p.post(`4${part}`);
    await p.fetch();
  });
}
// Binary over polling as clients write it.
for (const text of ['b b25l', 'bb25l\n', 'bb25', 'bb25l=', 'b-_-_', 'b', 'b!']) {
  add(`attachment ${JSON.stringify(text)}`, async (p) => { await p.join(); await p.post(`451-["message",${place(0)}]${RS}${text}`); await p.fetch(); });
  add(`attachment on WebSocket ${JSON.stringify(text)}`, async (p) => { const wire = await p.wsSession('/socket.io/'); wire.send(`451-["message",${place(0)}]`, text); await wire.drain(); if (!wire.closed) await wire.alive(); });
}

// Overlaps, upgrades and ends.
add('two GETs', async (p) => { await p.open(); const poll = p.park(); await poll.ready; await p.get(); await poll.end(); await p.fetch(); });
add('two GETs of one t', async (p) => { await p.open(); const first = p.send('GET', { query: { sid: p.sid, t: 'same' } }); await sleep(60); await p.get({ query: { t: 'same' } }); p.write('first', await first); await p.fetch(); });
for (const t of ['same', '', null]) {
  add(`GETs one after the other with t=${t}`, async (p) => { await p.open(); for (const body of ['4a', '4b', '4c']) { await p.send('POST', { body, query: { sid: p.sid, t } }); await p.get({ query: { t } }); } await p.fetch(); });
}
add('a GET is aborted', async (p) => { await p.open(); await p.send('GET', { query: { sid: p.sid }, wait: 60 }); await sleep(60); await p.get(); await p.fetch(); });
for (const parked of [false, true]) {
  add(`upgrade${parked ? ', GET parked' : ''}`, async (p) => {
    await p.open();
    const poll = parked ? p.park() : null;
    await poll?.ready;
    const wire = await p.ws({ query: { sid: p.sid } });
    wire.send('2probe');
    p.note(await wire.next());
    if (poll) await poll.end(); else await p.get();
    wire.send('5');
    await wire.alive();
    await p.get();
    await p.post('4a');
    await wire.alive();
  });
  add(`upgrade without a probe${parked ? ', GET parked' : ''}`, async (p) => {
    await p.open();
    const poll = parked ? p.park() : null;
    await poll?.ready;
    const wire = await p.ws({ query: { sid: p.sid } });
    wire.send('5');
    await wire.alive();
    await poll?.end();
    await p.get();
  });
}
add('upgrade: packets wait', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); await p.post('4a'); await p.get(); await p.post('4b'); wire.send('5'); await wire.alive(); });
add('upgrade: several GETs before 5', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); await p.get(); await p.get(); await p.get(); wire.send('5'); await wire.alive(); });
add('upgrade: probed twice', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); wire.send('2probe'); p.note(await wire.next()); await p.get(); wire.send('5'); await wire.alive(); });
add('upgrade: candidate closes before the probe', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.ws.close(); await sleep(quiet); await p.fetch(); const next = await p.ws({ query: { sid: p.sid } }); next.send('2probe'); p.note(await next.next()); await p.get(); next.send('5'); await next.alive(); });
add('upgrade: candidate closes after the probe', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); wire.ws.close(); await sleep(quiet); await p.fetch(); });
add('upgrade: a second candidate', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); const other = await p.ws({ query: { sid: p.sid } }); await other.drain(); await p.get(); wire.send('5'); await wire.alive(); });
add('upgrade: a WebSocket after it', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); await p.get(); wire.send('5'); await wire.alive(); const other = await p.ws({ query: { sid: p.sid } }); await other.drain(); await wire.alive(); });
add('upgrade: 5 twice', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); await p.get(); wire.send('5'); await wire.alive(); wire.send('5'); await wire.alive(); });
add('close while probed', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); await p.post('1'); await wire.drain(); await p.fetch(); });
add('parse error while probed', async (p) => { await p.open(); const wire = await p.ws({ query: { sid: p.sid } }); wire.send('2probe'); p.note(await wire.next()); await p.post('x'); await wire.drain(); await p.fetch(); });
add('WebSocket closes', async (p) => { const wire = await p.wsSession(); wire.ws.close(); await wire.drain(); await p.get(); });
add('WebSocket is cut', async (p) => { const wire = await p.wsSession(); wire.ws.terminate(); await sleep(quiet); await p.get(); });
add('POST of a closed session', async (p) => { await p.open(); await p.post('1'); await p.post('4a'); await p.get(); });
add('two closes', async (p) => { await p.open(); await p.post('1'); await p.post('1'); });
add('no bytes over WebSocket', async (p) => { const wire = await p.wsSession(); await wire.drain(); await wire.alive(); });

// Acknowledgements that the server asked for.
const answers = [
  ['3ID[1,"a"]'], ['3ID[]'], ['3ID'], ['3 ID [2]'], ['30ID[3]'], ['3ID[1]', '3ID[2]'], ['3/,ID[4]'], ['3/custom,ID[5]'], [`61-ID[${place(0)}]`, one], ['61-ID[6]', one], ['61-ID', one], ['3ID{}'], ['3IDx'], ['3ID.0[1]'], ['39ID[1]', '3ID[8]'], ['3ID["connect"]'], ['3ID[null]'],
];
for (const list of answers) {
  const name = list.map(shown).join(' ');
  const packet = (p, part) => part.replace('ID', p.asked);
  add(`answer polling ${name}`, async (p) => {
    await p.join();
    await p.post('42["ask","what"]');
    await p.fetch();
    for (const part of list) await p.post(Buffer.isBuffer(part) ? `b${part.toString('base64')}` : `4${packet(p, part)}`);
    await p.fetch();
  });
  add(`answer websocket ${name}`, async (p) => {
    const wire = await p.wsSession('/socket.io/');
    wire.send('42["ask",{"a":1}]');
    await wire.drain();
    wire.send(...list.map((part) => (Buffer.isBuffer(part) ? part : `4${packet(p, part)}`)));
    await wire.drain();
    if (!wire.closed) await wire.alive();
  });
}

// The server disconnects.
for (const client of [false, true]) {
  for (const parked of [false, true]) {
    add(`server disconnects ${client ? 'the client' : 'the socket'}${parked ? ', GET parked' : ''}`, async (p) => {
      await p.join();
      const poll = parked ? p.park() : null;
      await poll?.ready;
      await p.post(`42["bye",${client}]`);
      if (poll) await poll.end(); else await p.get({ wait: 500 });
      await sleep(quiet);
      await p.post('42["message",1]');
      await p.get({ wait: 500 });
      await p.get({ wait: 500 });
    });
  }
  add(`server disconnects ${client ? 'the client' : 'the socket'} on WebSocket`, async (p) => {
    const wire = await p.wsSession('/socket.io/');
    wire.send(`42["bye",${client}]`);
    await wire.drain();
    if (!wire.closed) await wire.alive();
    wire.send('40');
    await wire.drain();
  });
}

// Pages of other origins; both servers allow one, with credentials.
const withCORS = (name, play) => all.push({ name: `cors ${name}`, play, cors: true });
for (const origin of ['http://allowed.example', 'http://other.example', 'null', null]) {
  const headers = origin ? { origin } : {};
  const page = origin ?? 'no page';
  for (const session of ['none', 'unknown', 'polling']) {
    withCORS(`preflight of ${page}, sid=${session}`, async (p) => { const sid = await sessions[session](p); await p.request('OPTIONS', { query: { sid }, headers: { ...headers, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-a, X-B' } }); });
    withCORS(`bare OPTIONS of ${page}, sid=${session}`, async (p) => { const sid = await sessions[session](p); await p.request('OPTIONS', { query: { sid }, headers }); });
    withCORS(`GET of ${page}, sid=${session}`, async (p) => { const sid = await sessions[session](p); if (session === 'polling') await p.post('4a', { headers }); await p.request('GET', { query: { sid }, headers }); });
    withCORS(`PUT of ${page}, sid=${session}`, async (p) => { const sid = await sessions[session](p); await p.request('PUT', { query: { sid }, headers }); });
  }
  withCORS(`large answer to ${page}`, async (p) => { await p.open(); await p.post(`4${'z'.repeat(3000)}`, { headers }); await p.get({ headers: { ...headers, 'accept-encoding': 'gzip' } }); });
  withCORS(`too large from ${page}`, async (p) => { await p.open(); await p.post(`6${'z'.repeat(1_000_000)}`, { headers }); });
  withCORS(`raw bytes from ${page}`, async (p) => { await p.open(); await p.post('4a', { headers: { ...headers, 'content-type': 'application/octet-stream' } }); });
  withCORS(`overlap from ${page}`, async (p) => { await p.open(); const poll = p.park({ headers }); await poll.ready; await p.get({ headers }); await poll.end(); });
  withCORS(`WebSocket of ${page}`, async (p) => { const wire = await p.ws({ headers }); if (wire.opened) await wire.drain(); });
  withCORS(`WebSocket of ${page}, sid=unknown`, async (p) => { const wire = await p.ws({ headers, query: { sid: 'unknown' } }); if (wire.opened) await wire.drain(); });
}

// HTTP and WebSocket themselves.
for (const [name, options] of Object.entries({
  'b64=1': { query: { b64: 1 } }, 'b64=0': { query: { b64: 0 } }, 'b64 empty': { query: { b64: '' } },
})) {
  add(`WebSocket with ${name}`, async (p) => {
    const wire = await p.ws(options);
    await wire.next();
    wire.send(Buffer.from([1, 2]), 'bAQI=', '4a');
    await wire.drain();
    await wire.alive();
  });
}
for (const code of [1000, 1001, 3000, 4999]) {
  add(`client closes with ${code}`, async (p) => { const wire = await p.wsSession(); wire.ws.close(code, 'why'); await wire.drain(); await sleep(quiet); await p.get(); });
}
add('WebSocket ping', async (p) => { const wire = await p.wsSession(); wire.ws.on('pong', (data) => p.note('pong', data.toString())); wire.ws.ping('hey'); await wire.drain(); await wire.alive(); });
add('WebSocket pong', async (p) => { const wire = await p.wsSession(); wire.ws.pong('hey'); await wire.drain(); await wire.alive(); });
add('fragments', async (p) => { const wire = await p.wsSession(); wire.ws.send('4a', { fin: false }); wire.ws.send('b', { fin: false }); wire.ws.send('c', { fin: true }); await wire.drain(); await wire.alive(); });
add('fragments of binary', async (p) => { const wire = await p.wsSession(); wire.ws.send(Buffer.from([1]), { fin: false }); wire.ws.send(Buffer.from([2]), { fin: true }); await wire.drain(); await wire.alive(); });
for (const headers of [{ 'sec-websocket-version': '8' }, { 'sec-websocket-version': '99' }, { 'sec-websocket-key': 'short' }, { upgrade: 'h2c' }, { upgrade: 'WEBSOCKET' }]) {
  add(`upgrade by hand with ${JSON.stringify(headers)}`, async (p) => {
    const answer = await p.send('GET', { query: { transport: 'websocket' }, headers: { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13', 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers }, wait: 700 });
    p.note(answer.error ?? answer.status);
  });
}
add('chunked body', async (p) => { await p.open(); await p.post('4a', { headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' } }); await p.fetch(); });
add('body of a GET', async (p) => { await p.open(); await p.send('POST', { body: '4a', query: { sid: p.sid } }); await p.request('GET', { body: '4ignored', query: { sid: p.sid } }); await p.fetch(); });
add('cookies and odd headers', async (p) => { await p.request('GET', { headers: { cookie: 'a=b; c=d', 'x-forwarded-for': '1.2.3.4', authorization: 'Bearer x', referer: 'http://x' } }); });
for (const agent of ['Mozilla/5.0 (compatible; MSIE 10.0; Trident/6.0)', 'curl/8']) {
  add(`user agent ${agent}`, async (p) => { await p.request('GET', { headers: { 'user-agent': agent } }); });
}
add('a long query', async (p) => { await p.request('GET', { query: { x: 'y'.repeat(5000) } }); });
add('many keys', async (p) => { await p.request('GET', { query: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`k${i}`, i])) }); });
add('keys of the prototype', async (p) => { await p.request('GET', { query: { __proto__x: 1, constructor: 1, toString: 2, hasOwnProperty: 3 } }); });
for (const n of [1, 100, 2000]) {
  add(`${n} events in one POST`, async (p) => { await p.join(); await p.post(Array.from({ length: n }, (_, i) => `42["message",${i}]`).join(RS)); await p.fetch(); });
}
add('events in many POSTs', async (p) => { await p.join(); for (let i = 0; i < 20; i++) await p.post(`42${i}["message-with-ack",${i}]`); await p.fetch(); });
add('large events both ways', async (p) => { await p.join(); await p.post(`42["message","${'ä'.repeat(60_000)}"]`); await p.fetch(); await p.post(`42["message","${'b'.repeat(400_000)}"]`); await p.fetch(); });
add('large binary both ways', async (p) => { await p.join(); await p.post(`451-["message",${place(0)}]${RS}b${Buffer.alloc(400_000, 7).toString('base64')}`); await p.fetch(); });
for (const size of [700_000, 999_000]) {
  add(`large binary on WebSocket ${size}`, async (p) => { const wire = await p.wsSession('/socket.io/'); wire.send(`451-["message",${place(0)}]`, Buffer.alloc(size, 7)); await wire.drain(700); if (!wire.closed) await wire.alive(); });
}
