// A line to the server that can be dead: what a client sees when the server has gone, or when nobody answers.

import { once } from 'node:events';
import net from 'node:net';
import { afterEach } from 'node:test';
import { base } from './wire.mjs';

class Line {
  #server = net.createServer((client) => this.#connect(client));
  #sockets = new Set();
  #silent = false;
  #port = 0;

  static async open() {
    const line = new Line();
    await line.#listen();
    return line;
  }

  /** The URL at which the server is reached by this line. */
  get origin() {
    return `http://127.0.0.1:${this.#port}`;
  }

  async #listen() {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = this.#server.address().port;
  }

  #connect(client) {
    this.#hold(client);
    if (this.#silent) return;
    const server = net.connect(Number(base.port), base.hostname);
    this.#hold(server);
    client.pipe(server).pipe(client);
    for (const [one, other] of [[client, server], [server, client]]) one.on('close', () => other.destroy());
  }

  #hold(socket) {
    this.#sockets.add(socket);
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  }

  /** From now on nothing is passed on: connections are there, and nobody answers. */
  silence() {
    this.#silent = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** The server has gone: connections end, and new ones are refused. */
  async cut() {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** The server is there again, at the same place. */
  async mend() {
    this.#silent = false;
    await this.#listen();
  }

  /** Ends the line. */
  async close() {
    if (this.#server.listening) await this.cut();
  }
}

const lines = [];
afterEach(() => Promise.all(lines.splice(0).map((line) => line.close())));

/** A line for the time of a test. */
export async function newLine() {
  const line = await Line.open();
  lines.push(line);
  return line;
}
