// Headers for pages of other origins. The server allows http://allowed.example with credentials.

import assert from 'node:assert/strict';
import { engine, request, test, base, Polling, Wire } from './wire.mjs';

const allowed = { origin: 'http://allowed.example' };
const other = { origin: 'http://other.example' };

test('an allowed origin is named, with credentials', async () => {
  const { status, headers } = await request('GET', engine, { headers: allowed });
  assert.equal(status, 200);
  assert.equal(headers['access-control-allow-origin'], allowed.origin);
  assert.equal(headers['access-control-allow-credentials'], 'true');
  assert.match(headers.vary, /Origin/i);
});

test('another origin is served, but not named', async () => {
  const { status, headers } = await request('GET', engine, { headers: other });
  assert.equal(status, 200);
  assert.notEqual(headers['access-control-allow-origin'], other.origin);
  assert.notEqual(headers['access-control-allow-origin'], '*');
  assert.match(headers.vary, /Origin/i);
});

test('errors carry the headers too', async () => {
  const { status, headers } = await request('GET', engine, { query: { sid: 'nobody' }, headers: allowed });
  assert.equal(status, 400);
  assert.equal(headers['access-control-allow-origin'], allowed.origin);
});

test('a preflight is answered with 204, with and without a session', async () => {
  const session = await Polling.open(engine);
  for (const query of [{}, { sid: session.sid }, { sid: 'nobody' }]) {
    const ask = { ...allowed, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-test' };
    const { status, headers, text } = await request('OPTIONS', engine, { query, headers: ask });
    assert.deepEqual([status, text], [204, '']);
    assert.equal(headers['access-control-allow-origin'], allowed.origin);
    assert.match(headers['access-control-allow-methods'], /POST/);
  }
});

test('a refused WebSocket carries none', async () => {
  await assert.rejects(Wire.open(engine, { query: { sid: 'nobody' }, headers: allowed }), (error) => {
    assert.equal(error.status, 400);
    assert.equal(error.headers['access-control-allow-origin'], undefined);
    return true;
  });
});

test('a WebSocket of an allowed origin, of a program, and of a page of this very host is served', async () => {
  for (const headers of [allowed, {}, { origin: base.origin }]) {
    const wire = await Wire.open(engine, { headers });
    assert.equal((await wire.next())[0], '0');
    wire.close();
  }
});

test('a WebSocket of another origin is refused: browsers do not hide it from the page', async () => {
  await assert.rejects(Wire.open(engine, { headers: other }), (error) => {
    assert.equal(error.status, 400);
    return true;
  });
});

test('a WebSocket that names a session is served: its page knows the secret id', async () => {
  const session = await Polling.open(engine);
  const wire = await Wire.open(engine, { query: { sid: session.sid }, headers: other });
  wire.send('2probe');
  assert.equal(await wire.next(), '3probe');
  wire.close();
});
