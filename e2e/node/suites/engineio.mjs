// The official client of Engine.IO, and what Socket.IO's keeps to itself.

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ended } from '../clients.mjs';
import { base } from '../wire.mjs';

const socketIOPath = createRequire(import.meta.url).resolve('socket.io-client');
const fromSocketIO = createRequire(socketIOPath);
const engineIOPath = fromSocketIO.resolve('engine.io-client');

/** The engine.io-client that socket.io-client uses, whatever else is installed. */
export const engineIO = fromSocketIO('engine.io-client');

/** A module of either client, which the suites test by itself. */
export const ofSocketIO = (file) => fromSocketIO(join(dirname(socketIOPath), file));
export const ofEngineIO = (file) => fromSocketIO(join(dirname(engineIOPath), file));

/** Starts a client of Engine.IO; it is ended after the test. */
export function dial(options = {}, url = base.origin) {
  return ended(new engineIO.Socket(url, options), (socket) => socket.close());
}
