// What the scenarios of examples/side-by-side share. Each runs against the server for socket.io and against the one for
// Nonstick, and has to pass with both.

import { describe } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { cleanUp, connected, modes, once, start, upgraded } from './clients.mjs';
import { test } from './wire.mjs';

/** Registers a scenario for each way in which a client reaches a server: body gets a function that makes a client. */
export function scenario(title, body) {
  cleanUp();
  for (const mode of Object.keys(modes)) {
    describe(mode, () => {
      test(title, () => body((auth) => client(mode, auth), mode));
    });
  }
}

/** Starts a client, which collects its events from the start, and waits until it is connected. */
async function client(mode, auth) {
  const socket = start({ ...modes[mode], auth, forceBase64: true });
  socket.got = [];
  socket.onAny((...event) => socket.got.push(event));
  await connected(socket);
  if (mode === 'upgrade') await upgraded(socket);
  return socket;
}

/** Waits until the client has got an event of that name, and takes it, and those before it, out of what it has got. */
export async function next(socket, name) {
  const of = () => socket.got.findIndex(([event]) => event === name);
  for (const deadline = Date.now() + 8_000; of() < 0; await sleep(5)) {
    if (Date.now() > deadline) throw new Error(`no "${name}" came, but ${JSON.stringify(socket.got)}`);
  }
  return socket.got.splice(0, of() + 1).at(-1).slice(1);
}

/** The message with which the server refuses a client. */
export async function refusal(auth) {
  const socket = start({ auth, reconnection: false });
  const [error] = await once(socket, 'connect_error');
  return error.message;
}
