// What the suite "node" of socket.io-client checks: docs/reference-suites.md has its titles. The server runs the
// application "suites".

import { describe } from 'node:test';
import { beside, unreachable } from '../clients.mjs';
import { base } from '../wire.mjs';
import { assertEnds, assertGoesOn, atOnce } from './suite.mjs';

/** A program that does nothing any more once its client has had the event, and keeps nothing but the client. */
const program = (url, options, event = 'connect') => `
  import { io } from 'socket.io-client';
  const held = setInterval(() => {}, 1000);
  const socket = io('${url}', ${JSON.stringify(options)});
  (${event === 'connect'} ? socket : socket.io).once('${event}', () => {
    console.log('connected');
    clearInterval(held);
  });
`;

describe('a program with nothing left but its client', atOnce, () => {
  beside('ends with autoUnref', () => assertEnds(program(base.origin, { autoUnref: true })));

  beside('ends with autoUnref while the client tries to reconnect', async () => {
    await assertEnds(program(await unreachable(), { autoUnref: true, reconnectionDelay: 10 }, 'reconnect_attempt'));
  });

  for (const transport of ['polling', 'websocket']) {
    beside(`ends with autoUnref: ${transport}`, () => assertEnds(program(base.origin, { autoUnref: true, transports: [transport] })));
  }

  beside('goes on without autoUnref', () => assertGoesOn(program(base.origin, { autoUnref: false })));
});
