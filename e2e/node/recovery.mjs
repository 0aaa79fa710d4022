// Clients of the namespace /recovery of the application "suites", for tests of connection state recovery: the official
// one, and one without a library, which sees the order of packets and what they carry for recovery.

import assert from 'node:assert/strict';
import { connected, ended, modes as options, start, until, upgraded } from './clients.mjs';
import { Polling, Wire, reference, sleep, socketIO } from './wire.mjs';

/** The namespace, as the official client and as packets name it. */
const namespace = '/recovery';

/** The transports of a client without a library. */
export const transports = ['polling', 'websocket'];

/** The official client's ways to a server. */
export const modes = Object.keys(options);

/** How long something that must come true may take, in milliseconds. */
const patience = 15_000;

/** The number of rooms that tests have made: each has its own. */
let rooms = 0;

/** A room that no other test uses. */
export const newRoom = () => `room-${process.pid}-${rooms++}`;

/** A socket of the namespace without a Socket.IO library, over one Engine.IO session. */
export class Raw {
  #packets = [];

  /** Opens a session; the socket does not join yet. */
  static async open(transport) {
    const raw = new Raw();
    raw.transport = transport;
    raw.session = transport === 'polling' ? await Polling.open(socketIO) : await Wire.session(socketIO);
    return ended(raw, (one) => one.leave());
  }

  /** Opens a session and joins the namespace. */
  static async connect(transport, auth) {
    const raw = await Raw.open(transport);
    await raw.join(auth);
    return raw;
  }

  /** Joins the namespace, or returns to it with what recovery asks for; id and pid are those of the answer. */
  async join(auth) {
    await this.send(`40${namespace},${auth === undefined ? '' : JSON.stringify(auth)}`);
    /** What came before the answer. */
    this.early = [];
    for (;;) {
      const packet = await this.packet();
      if (packet.startsWith(`40${namespace},`)) {
        this.answer = JSON.parse(packet.slice(`40${namespace},`.length));
        [this.id, this.pid] = [this.answer.sid, this.answer.pid];
        return;
      }
      this.early.push(packet);
    }
  }

  /** Sends a packet. */
  async send(packet) {
    await this.session.send(packet);
  }

  /** The next packet that is no heartbeat. */
  async packet() {
    if (this.transport === 'websocket') return this.session.packet();
    while (this.#packets.length === 0) {
      for (const packet of await this.session.packets()) {
        if (packet === '2') await this.session.send('3');
        else if (packet !== '6') this.#packets.push(packet);
      }
    }
    return this.#packets.shift();
  }

  /** The next event: its name, its arguments, and the offset that follows them. */
  async event() {
    const packet = await this.packet();
    assert.ok(packet.startsWith(`42${namespace},`), packet);
    return parse(packet);
  }

  /** Emits an event and returns what the server acknowledges it with; what comes before that is dropped. */
  async ask(event, ...args) {
    await this.send(`42${namespace},7${JSON.stringify([event, ...args])}`);
    for (;;) {
      const packet = await this.packet();
      if (packet.startsWith(`43${namespace},7`)) return JSON.parse(packet.slice(`43${namespace},7`.length))[0];
    }
  }

  /** What this socket has to offer to be recovered. */
  offer(offset) {
    return { pid: this.pid, offset };
  }

  /** Is lost: the WebSocket's connection ends without a word, a client that polls closes its session. */
  async lose() {
    if (this.transport === 'polling') await this.send('1');
    else this.vanish();
  }

  /** Is lost, if it has not been before. */
  async leave() {
    if (this.transport === 'polling') await this.session.post('1');
    else this.vanish();
  }

  /** Is gone without telling the server, which may take a while to see it. */
  vanish() {
    this.session.ws?.terminate();
  }
}

/**
 * Asserts what a client missed that is recovered by now: events as [name, argument ...]. The reference sends them before
 * the answer to CONNECT, Nonstick behind it: so a client that is cut off in between sees none twice.
 */
export async function assertMissed(raw, want) {
  if (!reference) assert.deepEqual(raw.early, [], 'the answer to CONNECT comes first');
  const got = raw.early.map(parse);
  while (got.length < want.length) got.push(await raw.event());
  await raw.send(`42${namespace},["back","that was all"]`);
  got.push(await raw.event());
  assert.deepEqual(said(got), [...want, ['that was all']]);
  return got;
}

/** A raw client that has joined, has got an event, and is lost; with the offset of that event. */
export async function lostRaw(transport, from, auth) {
  const old = await Raw.connect(transport, auth);
  await from.cast(old.id, 'hello');
  const { name, offset } = await old.event();
  assert.equal(name, 'hello');
  assert.equal(typeof offset, 'string');
  await old.lose();
  await from.lost(old.id);
  return { old, offset };
}

/** An official client that has joined, has got an event, and is lost; with the id of its socket. */
export async function lostClient(mode, from, auth) {
  const socket = await official(mode, auth);
  const { id } = socket;
  await from.cast(id, 'hello');
  await until(() => socket.got.some(([name]) => name === 'hello'), 'the event has not come');
  await lose(socket);
  await from.lost(id);
  return { socket, id };
}

/** An event packet of the namespace without attachments. */
export function parse(packet) {
  const [name, ...args] = JSON.parse(packet.slice(`42${namespace},`.length));
  return { name, args: args.slice(0, -1), offset: args.at(-1) };
}

/** Events as [name, argument ...], without their offsets. */
export const said = (events) => events.map(({ name, args }) => [name, ...args]);

/** Starts an official client in one of the modes, which keeps its events, and waits until it is connected. */
export async function official(mode, auth, more) {
  const socket = start({ ...options[mode], auth, reconnection: false, ...more }, { namespace });
  socket.got = [];
  socket.onAny((...event) => socket.got.push(event));
  socket.on('connect', () => socket.got.push(['connect']));
  await connected(socket);
  if (mode === 'upgrade') await upgraded(socket);
  return socket;
}

/** A client that emits for others. */
export async function sender() {
  const socket = await official('websocket');
  return {
    /** Emits an event to a room, to a socket by its id, or to all of the namespace if the room is null. */
    cast: (room, event, ...args) => answered(socket, 'cast', { room }, [event, ...args]),
    /** The same, for clients that may miss it. */
    castVolatile: (room, event, ...args) => answered(socket, 'cast', { room, volatile: true }, [event, ...args]),
    /** Waits until the server has noticed that a socket is lost, if it has to. */
    async lost(id) {
      for (const deadline = Date.now() + patience; !await ask(socket, 'lost', id); await sleep(10)) {
        assert.ok(Date.now() < deadline, `the server has not noticed that ${id} is lost`);
      }
    },
  };
}

/** What the server acknowledges an event with. */
export const ask = (socket, ...event) => socket.timeout(patience).emitWithAck(...event);

async function answered(socket, ...event) {
  assert.equal(await ask(socket, ...event), true);
}

/** Loses the connection of an official client, which does not come back by itself. */
export async function lose(socket) {
  const { engine } = socket.io;
  if (engine.transport.name === 'websocket') engine.transport.ws.terminate();
  else engine.close();
  await until(() => !socket.connected, 'the client has not noticed');
  socket.got.length = 0;
}

/** Has an official client come back. */
export async function comeBack(socket) {
  socket.connect();
  await connected(socket);
}

/** Waits until an official client has got so many events since it was lost, "connect" not counted. */
export async function gotEvents(socket, count) {
  const seen = () => socket.got.filter(([name]) => name !== 'connect').map(withoutOffset);
  await until(() => seen().length >= count, () => `only ${JSON.stringify(socket.got)} came`);
  return seen();
}

/** An event as the application emitted it: recovery adds an offset behind its arguments. */
const withoutOffset = (event) => event.slice(0, -1);
