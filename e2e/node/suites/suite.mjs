// What the files of this folder share.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once as happened } from 'node:events';
import { ended } from '../clients.mjs';

/** Options of a group whose tests run beside each other: so many that a server is not what they wait for. */
export const atOnce = { concurrency: 8 };

/** How long a program may take to end, and for how long one that must not end is watched. */
const [patience, watched] = [10_000, 500];

/** Runs a program that says "connected" when it is, and nothing holds it but its client. */
async function run(program) {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { cwd: import.meta.dirname, stdio: ['ignore', 'pipe', 'inherit'] });
  ended(child, (one) => one.kill());
  const [said] = await happened(child.stdout, 'data');
  assert.equal(String(said).trim(), 'connected');
  return child;
}

/** Asserts that a program ends by itself. */
export async function assertEnds(program) {
  const [code, signal] = await happened(await run(program), 'exit', { signal: AbortSignal.timeout(patience) });
  assert.deepEqual([code, signal], [0, null]);
}

/** Asserts that a program goes on. */
export async function assertGoesOn(program) {
  const child = await run(program);
  await assert.rejects(happened(child, 'exit', { signal: AbortSignal.timeout(watched) }), { name: 'AbortError' });
}
