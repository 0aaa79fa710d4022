// The Socket.IO connection of the page: one socket, made anew when the transport changes.

const transports = {
  upgrade: ['polling', 'websocket'],
  websocket: ['websocket'],
  polling: ['polling'],
};

const patience = 10_000; // milliseconds to wait for an answer

const reasons = {
  'io server disconnect': 'The server ended the connection.',
  'ping timeout': 'The server has gone silent.',
  'transport close': 'The connection was cut.',
  'transport error': 'The connection broke.',
  'parse error': 'The server said something that is not Socket.IO.',
};

// Options of the client that the server knows best, as where the WebSocket is if that is another host.
const options = await fetch('config.json').then((answer) => answer.json()).catch(() => ({}));

/** Says in plain words why a connection ended. */
export function explain(reason) {
  return reasons[reason] ?? `Disconnected: ${reason}.`;
}

export class Connection {
  #socket = null;

  /**
   * handlers: state(kind, text), transport(name), refused(message), and one function for each event
   * of the server by its name.
   */
  constructor(handlers) {
    this.handlers = handlers;
  }

  get isOpen() {
    return this.#socket?.connected ?? false;
  }

  get id() {
    return this.#socket?.id;
  }

  open(name, mode) {
    this.close();
    const path = new URLSearchParams(location.search).get('path') ?? '/socket.io/';
    const socket = window.io({ path, transports: transports[mode] ?? transports.upgrade, auth: { name }, forceNew: true, ...options });
    this.#socket = socket;
    this.handlers.state('wait', 'connecting…');
    this.#watch(socket);
    for (const event of ['welcome', 'message', 'typing', 'joined', 'left', 'gone', 'renamed']) {
      socket.on(event, (data) => this.handlers[event](data ?? {}));
    }
  }

  #watch(socket) {
    const mine = (act) => (...args) => this.#socket === socket && act(...args);
    socket.on('connect', mine(() => this.handlers.state('on', 'connected')));
    socket.on('disconnect', mine((reason) => {
      const back = socket.active ? ' Connecting again…' : '';
      this.handlers.state(socket.active ? 'wait' : 'off', explain(reason) + back);
      this.handlers.transport('');
    }));
    socket.on('connect_error', mine((error) => {
      if (socket.active) this.handlers.state('wait', 'The server cannot be reached. Trying again…');
      else this.handlers.refused(error.message);
    }));
    socket.io.on('open', mine(() => {
      const { engine } = socket.io;
      this.handlers.transport(engine.transport.name);
      engine.on('upgrade', mine(({ name }) => this.handlers.transport(name)));
    }));
  }

  /** The name that a later reconnect will give. */
  rememberName(name) {
    if (this.#socket) this.#socket.auth = { name };
  }

  /** Emits and resolves with the answer. Rejects with words for a reader when there is none. */
  async ask(event, ...args) {
    if (!this.isOpen) throw new Error('You are not connected right now.');
    let answer;
    try {
      answer = await this.#socket.timeout(patience).emitWithAck(event, ...args);
    } catch {
      throw new Error('The server did not answer in time.');
    }
    if (answer?.error) throw new Error(String(answer.error.message ?? answer.error));
    return answer ?? {};
  }

  /** Emits what nobody waits for, if it can go out now. */
  tell(event, data) {
    if (this.isOpen) this.#socket.volatile.emit(event, data);
  }

  /** Connects again after the server ended the connection. */
  retry() {
    this.#socket?.connect();
  }

  close() {
    const socket = this.#socket;
    this.#socket = null;
    socket?.disconnect();
  }
}
