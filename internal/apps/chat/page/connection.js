// The Socket.IO connection of the page: one socket, made anew when the transport changes.

import { clock, explain, sentence } from './words.js';

const transports = {
  automatic: ['polling', 'websocket'],
  websocket: ['websocket'],
  polling: ['polling'],
};

/** What the transport may be, the default first. */
export const modes = Object.keys(transports);

const shown = { polling: 'polling', websocket: 'WebSocket' };

const events = ['welcome', 'message', 'typing', 'joined', 'left', 'gone', 'renamed'];

const patience = 10_000; // milliseconds to wait for an answer

const pause = 3_000; // milliseconds between two tries to ask for the options

let options = null;

/** Options of the client that the server knows best, as where the WebSocket is if that is another host. */
async function askOptions() {
  const answer = await fetch('nonstick.json');
  if (!answer.ok) throw new Error(`status ${answer.status}`);
  return answer.json();
}

/** Loads the Socket.IO client from another path than the page names, if the server has one; resolves with whether it is there. */
export async function findClient() {
  while (!options) {
    options = await askOptions().catch(() => null);
    if (!options) await new Promise((done) => setTimeout(done, pause));
  }
  if (options.path) {
    await new Promise((done) => {
      const script = document.createElement('script');
      script.src = `${options.path}socket.io.min.js`;
      script.onload = script.onerror = done;
      document.head.append(script);
    });
  }
  return Boolean(window.io);
}

/** The server's answer to what it does not take, in words for a reader. */
export class Refusal extends Error {}

export const idle = { kind: 'idle', text: 'Not connected', detail: 'Enter the chat to connect.', transport: '' };

export class Connection {
  #wanted = null; // {name, mode} while there is to be a connection
  #socket = null;
  #lost = null; // when the server was last there, while it is not

  /**
   * handlers: state({kind, text, detail, transport}), refused(words), and one function for each event of the server by its
   * name. kind is wait, on or off.
   */
  constructor(handlers) {
    this.handlers = handlers;
  }

  get isOpen() {
    return this.#socket?.connected ?? false;
  }

  /** Whether there is a connection, or the page tries to have one. */
  get isWanted() {
    return this.#wanted !== null;
  }

  get id() {
    return this.#socket?.id;
  }

  /** Connects with a name, and goes on trying until close, in place of any connection before. */
  async open(name, mode) {
    this.close();
    const wanted = { name, mode };
    this.#wanted = wanted;
    this.#say('wait', 'Connecting…', 'The server has not answered yet.');
    while (!options) {
      options = await askOptions().catch(() => null);
      if (!options && this.#wanted === wanted) {
        this.#unreachable();
        await new Promise((done) => setTimeout(done, pause));
      }
      if (this.#wanted !== wanted) return; // there is another connection by now, or to be none
    }
    this.#start(wanted);
  }

  #start({ name, mode }) {
    const socket = window.io({ transports: transports[mode], auth: { name }, forceNew: true, ...options });
    this.#socket = socket;
    this.#watch(socket);
    for (const event of events) socket.on(event, (data) => this.handlers[event](data ?? {}));
  }

  #watch(socket) {
    const mine = (act) => (...args) => this.#socket === socket && act(...args);
    socket.on('connect', mine(() => this.#connected()));
    socket.on('disconnect', mine((reason) => {
      this.#lost = new Date();
      if (socket.active) this.#say('wait', 'Reconnecting…', explain(reason));
      else this.#say('off', 'Disconnected', explain(reason));
    }));
    socket.on('connect_error', mine((error) => {
      if (socket.active) this.#unreachable();
      else this.handlers.refused(sentence(error.message));
    }));
    socket.io.on('open', mine(() => socket.io.engine.on('upgrade', mine(() => this.isOpen && this.#connected()))));
  }

  #connected() {
    const { name } = this.#socket.io.engine.transport;
    this.#lost = null;
    this.#say('on', `Connected · ${shown[name] ?? name}`, `The page talks to the server by ${shown[name] ?? name}.`, name);
  }

  #unreachable() {
    this.#lost ??= new Date();
    const what = navigator.onLine ? 'Server unreachable' : 'Device offline';
    this.#say('off', `${what} since ${clock(this.#lost)}`, 'The page tries again every few seconds. What you write stays here.');
  }

  #say(kind, text, detail, transport = '') {
    this.handlers.state({ kind, text, detail, transport });
  }

  /** The name that a later reconnect will give. */
  rememberName(name) {
    if (this.#socket) this.#socket.auth = { name };
  }

  /** Emits and resolves with the answer. Rejects with a Refusal, or with words for a reader when there is no answer. */
  async ask(event, ...args) {
    if (!this.isOpen) throw new Error('You are not connected right now.');
    let answer;
    try {
      answer = await this.#socket.timeout(patience).emitWithAck(event, ...args);
    } catch {
      throw new Error('The server did not answer in time.');
    }
    const problem = answer?.error ?? answer?.message;
    if (problem) throw new Refusal(sentence(problem.message ?? problem));
    return answer ?? {};
  }

  /** Emits what nobody waits for, if it can go out now. */
  tell(event, data) {
    if (this.isOpen) this.#socket.volatile.emit(event, data);
  }

  /** Connects at once: after the server ended the connection, or in place of waiting for the next try. */
  retry() {
    if (!this.#wanted || this.isOpen) return;
    if (!this.#socket) return this.open(this.#wanted.name, this.#wanted.mode);
    this.#say('wait', 'Connecting…', 'The server has not answered yet.');
    this.#socket.disconnect().connect();
  }

  close() {
    const socket = this.#socket;
    this.#wanted = null;
    this.#socket = null;
    this.#lost = null;
    socket?.disconnect();
  }
}
