// The functions of the template as localdev runs them, seen from outside: their counts, the sockets that the server
// knows, and the journal of the app "faults".

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { once, start } from './clients.mjs';
import { base } from './wire.mjs';

/** How long something that must come true may take. Generous: a busy machine is not a failure. */
export const patience = 30_000;

/** Waits until a client is connected, or is again. */
export async function back(socket) {
  if (!socket.connected) await once(socket, 'connect', patience);
  return socket;
}

/** Starts a client and waits until it is connected. */
export async function join(options) {
  return back(start(options));
}

/** The counts of localdev: {functions, queues}, each by its name. */
export async function counts() {
  const res = await fetch(new URL('/localdev/state', base));
  const { functions, queues } = await res.json();
  return {
    functions: Object.fromEntries(functions.map((each) => [each.function, each])),
    queues: Object.fromEntries(queues.map((each) => [each.queue, each])),
  };
}

/** The counts of API Gateway. */
export async function gateway() {
  return (await (await fetch(new URL('/localdev/state', base))).json()).gateway;
}

/** The counts of one function. */
export async function countsOf(name) {
  return (await counts()).functions[name];
}

/** The ids of the sockets that the server knows, sorted: what the function for emits from outside answers. */
export async function knownSockets() {
  const res = await fetch(new URL('/2015-03-31/functions/EmitFunction/invocations', base), {
    method: 'POST', body: JSON.stringify({ fetch: 1000 }), headers: { authorization: 'AWS4-HMAC-SHA256 unverified' },
  });
  const answer = await res.json();
  assert.equal(answer.ok, true, JSON.stringify(answer));
  return (answer.sockets ?? []).map(({ id }) => id).sort();
}

/** Waits until got() is what want() is by then; asserts the two if they are not after time milliseconds. */
export async function agree(got, want, message, time = patience) {
  const deadline = Date.now() + time;
  for (;;) {
    const [a, b] = [await got(), want()];
    if (JSON.stringify(a) === JSON.stringify(b)) return;
    if (Date.now() > deadline) assert.deepEqual(a, b, message);
    await sleep(100);
  }
}

/** The lines that the application has written from now on. */
export class Journal {
  #from = Journal.#all().length;

  static #all() {
    try {
      return readFileSync(process.env.NONSTICK_JOURNAL, 'utf8').split('\n').slice(0, -1);
    } catch (error) {
      if (error.code === 'ENOENT') return [];
      throw error;
    }
  }

  /** The lines that begin with a word, and with the socket's id if it is given: [id, the rest] of each. */
  lines(word, id) {
    const found = Journal.#all().slice(this.#from).map((line) => line.split(' ')).filter(([first]) => first === word);
    return found.map(([, socket, ...rest]) => [socket, rest.join(' ')]).filter(([socket]) => !id || socket === id);
  }
}

/** Whether there is such a process. */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
    return false;
  }
}
