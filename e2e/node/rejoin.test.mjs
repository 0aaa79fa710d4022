// A namespace that is left and joined again, with the app "protocol": that costs the namespace a moment, and the connection nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, manager, once } from './clients.mjs';

const rounds = Number(process.env.NONSTICK_ROUNDS);

cleanUp();

for (const gap of [0, 1, 5, 50]) {
  test(`left and joined again after ${gap} ms`, { timeout: 300_000 }, async () => {
    const sum = { back: 0, refused: 0, lost: 0 };
    const client = async (times) => {
      const made = manager({ transports: ['websocket'], reconnection: false, forceNew: true });
      const main = made.socket('/'), custom = made.socket('/custom');
      let lost = false;
      main.on('disconnect', () => { lost = true; });
      await Promise.all([once(main, 'connect', 20_000), once(custom, 'connect', 20_000)]);
      for (let i = 0; i < times && !lost; i++) {
        const outcome = Promise.race([
          once(custom, 'connect', 20_000).then(() => 'back'), once(custom, 'connect_error', 20_000).then(() => 'refused'),
          once(main, 'disconnect', 20_000).then(() => 'lost'),
        ]);
        custom.disconnect();
        if (gap > 0) await sleep(gap);
        custom.connect();
        sum[await outcome]++;
      }
    };
    await Promise.all(Array.from({ length: 10 }, () => client(Math.ceil(rounds / 10))));
    console.log(`${process.env.NONSTICK_INBOUND}, ${gap} ms: ${JSON.stringify(sum)}`);
    assert.equal(sum.lost, 0, 'connections lost');
    assert.equal(sum.refused, 0, 'namespaces not joined again');
  });
}
