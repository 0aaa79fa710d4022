// The reference with options: node options-server.mjs '[{"cors": {}}, ...]' starts a server for each, and prints their
// URLs as JSON. In the options {"pattern": "..."} stands for a regular expression, and {"origins": {"https://a": true}}
// for a function that answers so, fails where it says "fail", and allows nothing else. It ends with its standard input.

import { createServer } from 'node:http';
import { Server } from 'socket.io';

function revive(key, value) {
  if (typeof value?.pattern === 'string') return new RegExp(value.pattern);
  if (!value?.origins) return value;
  return (origin, answer) => {
    const said = value.origins[origin ?? ''] ?? false;
    if (said === 'fail') answer(new Error('no answer'));
    else answer(null, said);
  };
}

const all = JSON.parse(process.argv[2], revive).map(async (options) => {
  const server = createServer((req, res) => {
    res.writeHead(404, { 'content-type': 'text/plain' });
    res.end('other');
  });
  const io = new Server(server, options);
  io.on('connection', (socket) => socket.on('echo', (what) => socket.emit('echo', what)));
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return `http://127.0.0.1:${server.address().port}`;
});
console.log(JSON.stringify(await Promise.all(all)));
process.stdin.resume().on('end', () => process.exit());
