// A scene of connection state recovery, on socket.io on Node and on Nonstick, one after the other: clients in a room
// lose their connections again and again while one sender emits numbered messages to it. In the end the numbers that
// each client has got are compared with those that were sent. docs/recovery-scene.md tells what came of it; --help lists
// the options.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { io } from 'socket.io-client';
import { Tally, row, head } from './recovery-tally.mjs';

const root = path.resolve(import.meta.dirname, '../..');

/** Numbers: what they say, their default, and the least and the most there may be, so that no slip floods a server. */
const numbers = {
  clients: ['clients in the room', 100, 1, 2_000],
  seconds: ['how long clients are cut off, in seconds', 60, 1, 3_600],
  rate: ['messages a second, each to all clients', 10, 1, 200],
  away: ['how long a client that was cut off stays away, in milliseconds', 2_000, 0, 60_000],
  stays: ['how long a client stays connected on the average, in milliseconds', 5_000, 100, 600_000],
};

const help = `usage: node e2e/node/recovery-scene.mjs [OPTION...]

Clients in a room are cut off again and again while one sender emits numbered messages.
Prints what each server has delivered: socket.io on Node and Nonstick, one after the other.

${Object.entries(numbers).map(([name, [text, given, least, most]]) => `  --${name} N`.padEnd(18) + `${text} (${given}; ${least} to ${most})`).join('\n')}
  --cut KIND      noticed: the server sees that the connection ends; silent: it does not (noticed)
  --recovery WAY  on, or off to see what is lost without it (on)
  --localdev FILE localdev as a program, which is built otherwise
  --nonstick URL  a Nonstick that runs the application "bench" with recovery on, in place of localdev
  --only SERVER   socket.io or nonstick
  --json          a line of JSON for each server in place of the table
  --help

Ctrl-C ends the scene early, and prints what there is by then.`;

const servers = ['socket.io', 'nonstick'];

/** Options that are words. */
const words = ['cut', 'recovery', 'localdev', 'nonstick', 'only'];

/** The options, checked; a mistake ends the program with 2. */
function options() {
  try {
    const text = Object.fromEntries([...Object.keys(numbers), ...words].map((name) => [name, { type: 'string' }]));
    const { values } = parseArgs({ options: { ...text, json: { type: 'boolean' }, help: { type: 'boolean' } } });
    for (const [name, [, given, least, most]] of Object.entries(numbers)) {
      const value = Number(values[name] ?? given);
      if (!(Number.isInteger(value) && value >= least && value <= most)) throw new Error(`--${name} wants a whole number from ${least} to ${most}`);
      values[name] = value;
    }
    values.cut = oneOf('cut', values.cut ?? 'noticed', Object.keys(cuts));
    values.recovery = oneOf('recovery', values.recovery ?? 'on', ['on', 'off']);
    if (values.only !== undefined) oneOf('only', values.only, servers);
    return values;
  } catch (error) {
    process.stderr.write(`recovery-scene: ${error.message}\n`);
    process.exit(2);
  }
}

function oneOf(option, value, choices) {
  if (!choices.includes(value)) throw new Error(`--${option} wants one of ${choices.join(', ')}`);
  return value;
}

/** Connections that are silent are kept from the garbage collector, and closed in the end. */
const silent = new Set();

/** How a client of socket.io-client loses its WebSocket. Either way it comes back as it does by itself. */
const cuts = {
  /** The connection is torn down: client and server see it end, without a word of the protocol. */
  noticed: ({ transport }) => transport.ws.terminate(),
  /** Nothing goes there or back any more, but the server is not told: as when a phone leaves its network. */
  silent({ transport }) {
    const { ws } = transport;
    transport.ws = undefined; // which the transport would close
    ws.onmessage = ws.onclose = ws.onerror = null;
    ws._socket.pause();
    silent.add(ws);
    transport.onClose({ description: 'the network is gone' });
  },
};

/** A client of the room, which joins it again only if it was not recovered. */
class Member {
  constructor(url, room, { away }) {
    this.tally = new Tally();
    this.socket = io(url, { transports: ['websocket'], forceNew: true, reconnectionDelay: away, reconnectionDelayMax: away, randomizationFactor: 0 });
    this.heard = 0;
    this.socket.on('broadcast', ({ seq }) => {
      this.heard = Date.now();
      this.tally.got(seq);
    });
    this.joined = new Promise((resolve) => {
      this.socket.on('connect', async () => {
        if (this.cut) this.tally.back(this.socket.recovered);
        if (!this.socket.recovered) await this.socket.emitWithAck('join', room).catch(() => {}); // it was cut off meanwhile
        resolve();
      });
    });
  }

  /** Is cut off again and again until over() says so. */
  async suffer(over, { cut, stays }) {
    while (!over()) {
      await pause(stays * (0.5 + Math.random()), over);
      if (over() || !this.socket.connected) continue;
      this.cut = true;
      this.tally.cuts++;
      cuts[cut](this.socket.io.engine);
    }
  }
}

/** Waits, but not for longer than there is something to wait for. */
async function pause(ms, over) {
  for (const until = Date.now() + ms; !over() && Date.now() < until;) await sleep(Math.min(100, Math.max(1, until - Date.now())));
}

/** Emits numbered messages at a steady rate until over() says so, one at a time; resolves with how many there were. */
async function send(url, room, over, { rate }) {
  const socket = io(url, { transports: ['websocket'], forceNew: true });
  let seq = 0;
  for (const began = Date.now(); !over(); seq++) {
    await sleep(Math.max(0, began + seq * 1_000 / rate - Date.now()));
    await socket.timeout(30_000).emitWithAck('broadcast', { room, seq });
  }
  return { sent: seq, socket };
}

/** How long clients that are still to get messages may take, in all, and after the last one that came, in milliseconds. */
const [calm, quiet] = [30_000, 5_000];

/** How long clients may take to connect and to join the room, in milliseconds. */
const patience = 30_000;

/** Waits until clients have joined; it is an error if that takes too long. */
async function joined(members, url) {
  const late = setTimeout(() => late.reject(new Error(`not all clients could join at ${url} in ${patience / 1_000} s`)), patience);
  const tooLate = new Promise((_, reject) => { late.reject = reject; });
  await Promise.race([Promise.all(members.map((member) => member.joined)), tooLate]).finally(() => clearTimeout(late));
}

/** Plays the scene on the server at a URL. */
async function play(url, opts, stopped) {
  const room = `scene-${process.pid}-${Math.random()}`;
  const members = [];
  while (members.length < opts.clients) { // not all at once: how a crowd comes is another scene
    const some = Array.from({ length: Math.min(20, opts.clients - members.length) }, () => new Member(url, room, opts));
    members.push(...some);
    await joined(some, url);
  }
  const end = Date.now() + opts.seconds * 1_000;
  const over = () => stopped() || Date.now() > end;
  const [{ sent, socket: sender }] = await Promise.all([
    send(url, room, over, opts), ...members.map((member) => member.suffer(over, opts)),
  ]);
  const complete = () => members.every((member) => member.socket.connected && member.tally.has(sent));
  const silence = Date.now();
  const isQuiet = () => Date.now() > quiet + Math.max(silence, ...members.map(({ heard, socket }) => (socket.connected ? heard : Date.now())));
  await pause(calm, () => complete() || isQuiet());
  await sleep(500); // for what comes twice
  for (const one of [sender, ...members.map(({ socket }) => socket)]) one.disconnect();
  for (const ws of silent) ws.terminate();
  silent.clear();
  return Tally.sum(members.map(({ tally }) => tally), sent);
}

/** The processes that were started, to be ended whatever happens. */
const started = new Set();

/** Starts a server as a process of its own and waits until it listens on the port. */
async function serve(command, args, env, port) {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, ...env }, stdio: ['ignore', 'ignore', 'inherit'], detached: true }); // Ctrl-C is not for it
  started.add(child);
  child.once('exit', () => started.delete(child));
  child.once('error', () => started.delete(child));
  for (const deadline = Date.now() + 60_000; !await listens(port); await sleep(50)) {
    if (!started.has(child)) throw new Error(`${command} ended at its start`);
    if (Date.now() > deadline) throw new Error(`${command} does not listen on port ${port}`);
  }
  return { url: `http://127.0.0.1:${port}`, stop: () => stop(child) };
}

async function listens(port) {
  return fetch(`http://127.0.0.1:${port}/healthz`).then(() => true, () => false);
}

async function stop(child) {
  if (!started.has(child)) return;
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await ended;
  clearTimeout(late);
}

/** Ends at once, for a second Ctrl-C. */
function abandon() {
  for (const child of started) child.kill('SIGKILL');
  process.exit(130);
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => { server.once('listening', resolve); });
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** Builds localdev into a folder of its own, which the caller removes. */
function build(dir) {
  const program = path.join(dir, 'localdev');
  const { status, error } = spawnSync('go', ['build', '-o', program, './localdev'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error || status !== 0) throw new Error(`go build ./localdev: ${error?.message ?? `status ${status}`}`);
  return program;
}

/** How each server is reached: its name in the table, and what starts it. */
const starts = {
  'socket.io': async ({ recovery }) => {
    const { version } = createRequire(import.meta.url)('socket.io/package.json');
    const port = await freePort();
    const server = await serve(process.execPath, ['e2e/node/bench-server.mjs'], { PORT: String(port), RECOVERY: recovery }, port);
    return { name: `socket.io ${version} on Node`, ...server };
  },
  nonstick: async ({ nonstick, localdev, recovery }, dir) => {
    if (nonstick) return { name: 'Nonstick', url: nonstick, stop() {} };
    const port = await freePort();
    const args = ['--addr', `127.0.0.1:${port}`, '--app', 'bench', '--instances', '4', ...(recovery === 'on' ? ['--recovery', '2m'] : [])];
    return { name: 'Nonstick, four instances', ...await serve(localdev ?? build(dir), args, {}, port) };
  },
};

async function main() {
  const opts = options();
  if (opts.help) return process.stdout.write(`${help}\n`);
  let interrupted = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (interrupted) abandon();
      interrupted = true;
    });
  }
  const dir = mkdtempSync(path.join(tmpdir(), 'recovery-scene-'));
  try {
    if (!opts.json) process.stdout.write(head);
    for (const each of servers) {
      if (interrupted || (opts.only ?? each) !== each) continue;
      const { name, url, stop: end } = await starts[each](opts, dir);
      const result = await play(url, opts, () => interrupted);
      process.stdout.write(opts.json ? `${JSON.stringify({ server: each, name, ...result })}\n` : row(name, result));
      await end();
    }
  } finally {
    await Promise.all([...started].map(stop));
    rmSync(dir, { recursive: true });
  }
}

main().then(() => process.exit(0), (error) => {
  process.stderr.write(`recovery-scene: ${error.stack}\n`);
  process.exit(1);
});
