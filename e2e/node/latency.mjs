// How long an acknowledgement takes, with the app "bench": node e2e/node/latency.mjs URL [CLIENTS] [EVENTS OF EACH]. One event of a client
// at a time, with pauses between. Prints the median and the 99th percentile.

import { setTimeout as sleep } from 'node:timers/promises';
import { io } from 'socket.io-client';

const [url, clients = 10, events = 200] = process.argv.slice(2);
const took = [];
await Promise.all(Array.from({ length: Number(clients) }, async () => {
  const socket = io(url, { transports: ['websocket'], forceBase64: true, forceNew: true });
  await new Promise((resolve) => { socket.once('connect', resolve); });
  for (let i = 0; i < Number(events) + 10; i++) {
    const began = performance.now();
    await socket.timeout(30_000).emitWithAck('echo', i);
    if (i >= 10) took.push(performance.now() - began); // the first ones start functions
    await sleep(50 + 100 * Math.random());
  }
  socket.disconnect();
}));
took.sort((a, b) => a - b);
const at = (p) => took[Math.floor((took.length - 1) * p)].toFixed(0);
console.log(`${took.length} acknowledgements: p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, most ${at(1)} ms`);
process.exit(0);
