// Polling by scripts (JSONP) in a browser, from a page of another origin that CORS does not let in, with the last client
// that has it. The server runs the app "cases" with --allow-eio3.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { base, test } from './wire.mjs';

const client = createRequire(import.meta.url).resolve('socket.io-client-2-5/dist/socket.io.js');
let browser;
let server;
before(async () => {
  const script = await readFile(client);
  server = http.createServer((req, res) => {
    const js = req.url === '/client.js';
    res.writeHead(200, { 'content-type': js ? 'text/javascript' : 'text/html; charset=utf-8' });
    res.end(js ? script : '<!doctype html><title>page</title><script src="/client.js"></script><body></body>');
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
});
after(async () => {
  await browser.close();
  server.closeAllConnections();
  server.close();
});

test('a page of another origin polls by scripts', async () => {
  const page = await browser.newPage();
  const asked = [];
  page.on('request', (r) => { if (r.url().startsWith(base.href)) asked.push([r.resourceType(), r.method()].join(' ')); });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const got = await page.evaluate((url) => new Promise((resolve, reject) => {
    const socket = window.io(url, { forceJSONP: true, transports: ['polling'] });
    socket.on('error', reject);
    socket.on('connect_error', reject);
    socket.on('connect', () => {
      const text = '€ñ🙂 "\\n\\\\ \n \u2028 </script>';
      const bytes = new Uint8Array([0, 1, 254, 255]).buffer;
      socket.emit('echo', text, { a: [1, null] }, (...echoed) => {
        socket.emit('bin', bytes, (same) => {
          socket.on('back', (b) => resolve({
            same: echoed[0] === text, object: echoed[1], bin: [...new Uint8Array(same)], back: b,
            transport: socket.io.engine.transport.name, jsonp: 'j' in socket.io.engine.transport.query,
          }));
          socket.emit('back', 'again');
        });
      });
    });
  }), base.href);
  assert.deepEqual(got, {
    same: true, object: { a: [1, null] }, bin: [0, 1, 254, 255], back: 'again', transport: 'polling', jsonp: true,
  });
  assert.deepEqual([...new Set(asked)].sort(), ['document POST', 'script GET']);
  await page.close();
});
