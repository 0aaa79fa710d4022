// Warms a stack of functions, for a suite whose pings leave a function no time to start: sessions of every kind at once, on
// both paths, until none was lost for a while. What is lost before is counted and printed, not judged.

import { engine, socketIO, RS, Polling, Wire, upgrade } from './wire.mjs';

const atOnce = 3; // sessions of each kind on each path: more than a suite has that runs one test after the other
const rounds = 3; // pings in the life of a session
const calm = 3_000; // ms without a loss, at the end
const patience = 60_000; // ms in all: a machine that loses sessions for longer is for the suite to report

const started = Date.now();
let lastLoss = started;
let losses = 0;
let sessions = 0;
let reason = 'none';

const warming = () => Date.now() - lastLoss < calm && Date.now() - started < patience;
const message = (path) => (path === engine ? '4warm' : '42["message","warm"]');
const open = (path) => (path === engine ? Polling.open(path) : Polling.connect());

async function polling(path) {
  const session = await open(path);
  for (let pings = 0; pings < rounds;) {
    if (!(await session.packets()).includes('2')) continue;
    await session.send(`3${RS}${message(path)}`);
    pings++;
  }
  await session.send('1');
}

const websocket = async (path) => live(await (path === engine ? Wire.session(path) : Wire.connect()), path);
const upgraded = async (path) => live(await upgrade(await open(path)), path);

async function live(wire, path) {
  for (let pings = 0; pings < rounds;) {
    if ((await wire.next()) !== '2') continue;
    wire.send('3');
    wire.send(message(path));
    pings++;
  }
  wire.close();
}

/** Lets one session follow the other. */
async function keep(kind, path) {
  while (warming()) {
    try {
      await kind(path);
      sessions++;
    } catch (error) {
      losses++;
      lastLoss = Date.now();
      reason = error.message;
    }
  }
}

const all = [polling, websocket, upgraded].flatMap((kind) => [engine, socketIO].map((path) => [kind, path]));
await Promise.all(all.flatMap(([kind, path]) => Array.from({ length: atOnce }, () => keep(kind, path))));
console.log(`warm after ${((Date.now() - started) / 1000).toFixed(1)} s: ${sessions} sessions, ${losses} lost (the last: ${reason})`);
process.exit();
