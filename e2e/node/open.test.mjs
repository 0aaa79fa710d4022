// How long a client that begins on WebSocket waits for the open packet, which the server may not send before its connect
// has been answered: on API Gateway a queued step of its own. Printed, not judged: machines are shared.

import assert from 'node:assert/strict';
import WebSocket from 'ws';
import { base, socketIO, test } from './wire.mjs';

const connects = 60;

/** Milliseconds from the start of the connect to the upgrade's answer, and from there to the open packet. */
function open() {
  return new Promise((resolve, reject) => {
    const url = new URL(`${socketIO}?EIO=4&transport=websocket`, base);
    url.protocol = 'ws:';
    const started = performance.now();
    const ws = new WebSocket(url);
    let answered;
    ws.on('open', () => { answered = performance.now(); });
    ws.on('message', (data) => {
      resolve({ connect: answered - started, step: performance.now() - answered, frame: String(data) });
      ws.close();
    });
    ws.on('error', reject);
    ws.on('close', () => reject(new Error('closed before the open packet')));
  });
}

const percentile = (sorted, p) => sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))].toFixed(1);

test('every connect gets its open packet, once', async () => {
  const cold = await open();
  const all = [];
  for (let i = 0; i < connects; i++) all.push(await open());
  for (const { frame } of [cold, ...all]) assert.match(frame, /^0\{"sid":"/);
  const steps = all.map(({ step }) => step).sort((a, b) => a - b);
  console.log(
    `open step after $connect: p50 ${percentile(steps, 50)} ms, p99 ${percentile(steps, 99)} ms; `
    + `first connect of a cold stack: ${cold.connect.toFixed(1)} ms, then ${cold.step.toFixed(1)} ms to the open packet`,
  );
});
