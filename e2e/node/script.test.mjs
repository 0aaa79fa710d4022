// A page as tutorials begin it, with <script src="/socket.io/socket.io.js">, at the server's own host. The server runs
// the app "chat", and serves the client.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const url = process.env.NONSTICK_URL;

const files = {
  'socket.io.js': '<script src="/socket.io/socket.io.js"></script>',
  'socket.io.min.js': '<script src="/socket.io/socket.io.min.js"></script>',
  'socket.io.esm.min.js': '<script type="module">import { io } from "/socket.io/socket.io.esm.min.js"; window.io = io;</script>',
};

let browser;
before(async () => { browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] }); });
after(() => browser.close());

for (const [name, script] of Object.entries(files)) {
  test(`${name} connects`, async () => {
    const page = await browser.newPage();
    const wrong = [];
    page.on('pageerror', (error) => wrong.push(error.message));
    await page.route('**/tutorial', (route) => route.fulfill({
      contentType: 'text/html',
      body: `<!doctype html><title>waits</title>${script}<script type="module">
        const socket = io({ auth: { name: "Ann" }, forceBase64: true });
        socket.on("welcome", ({ name }) => { document.title = "welcome " + name + " " + socket.connected; });
      </script>`,
    }));
    await page.goto(`${url}/tutorial`);
    await page.waitForFunction(() => document.title === 'welcome Ann true', null, { timeout: 20_000 });
    assert.deepEqual(wrong, []);
    await page.close();
  });
}
