// The chat page in a real browser: two people, each in a tab of their own, over each transport and on
// a phone. The server runs the app "chat".
//
// CHROMIUM names the browser (/usr/bin/chromium). NONSTICK_SCREENSHOT=FILE keeps a picture of the page.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { chromium } from 'playwright-core';
import { base } from './wire.mjs';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-quic', '--no-first-run'];
const desk = { width: 1280, height: 800 };
const phone = { width: 390, height: 780 };
const shown = { polling: 'polling', websocket: 'websocket', upgrade: 'websocket' };

let browser;
let contexts = [];
let faults = [];
let names = 0;
const run = Math.random().toString(36).slice(2, 6); // a server may remember an earlier run

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: flags });
});
after(() => browser?.close());

afterEach(async () => {
  await Promise.all(contexts.splice(0).map((context) => context.close()));
  assert.deepEqual(faults.splice(0), []);
});

const newName = (name) => `${name} ${run}${++names}`;
const newRoom = (name) => `${name}-${run}${++names}`;

/** Opens the page in a browser of its own and notes what goes wrong in it. */
async function open({ viewport = desk, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  contexts.push(context);
  context.setDefaultTimeout(10_000);
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol !== 'data:' && host !== base.host) faults.push(`asks ${host}`);
  });
  await page.goto(base.origin);
  return page;
}

/** Opens the page and enters the chat. */
async function enter(name, { mode = 'upgrade', ...options } = {}) {
  const page = await open(options);
  await page.getByLabel('Transport').selectOption(mode);
  await page.getByLabel('Your name', { exact: true }).fill(name);
  await page.getByRole('button', { name: 'Enter the chat' }).click();
  await page.locator('#state[data-state="on"]').waitFor();
  await page.locator('#room-name', { hasText: 'lobby' }).waitFor();
  return page;
}

async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Waits until a message is in the log, and asserts that it is there once and not pending. */
async function sees(page, text) {
  const body = page.locator('.message:not(.pending) .body', { hasText: text });
  await body.first().waitFor();
  assert.equal(await body.count(), 1, `"${text}" once`);
}

async function openRoom(page, name) {
  await page.getByLabel('New room').fill(name);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.locator('#room-name', { hasText: name }).waitFor();
}

for (const mode of Object.keys(shown)) {
  describe(mode, () => {
    test('two people talk', async () => {
      const [ada, bob] = [newName('Ada'), newName('Bob')];
      const [one, two] = [await enter(ada, { mode }), await enter(bob, { mode })];
      for (const page of [one, two]) await page.locator('#transport', { hasText: shown[mode] }).waitFor();

      await one.locator('#people', { hasText: bob }).waitFor();
      await two.locator('#people', { hasText: ada }).waitFor();
      await say(one, `hello from ${ada}`);
      await sees(two, `hello from ${ada}`);
      await say(two, `hello from ${bob}`);
      await sees(one, `hello from ${bob}`);
      await sees(one, `hello from ${ada}`);
    });
  });
}

test('who types is shown, and no longer once the message is there', async () => {
  const ada = newName('Ada');
  const [one, two] = [await enter(ada), await enter(newName('Bob'))];
  await one.getByLabel('Message', { exact: true }).pressSequentially('so');
  await two.getByText(`${ada} is typing…`).waitFor();
  await say(one, `done, says ${ada}`);
  await sees(two, `done, says ${ada}`);
  await two.locator('#typing').filter({ hasNotText: ada }).waitFor({ state: 'attached' });
});

test('text is shown as text', async () => {
  const name = newName('<b>Mal</b>');
  const page = await enter(name);
  const text = `<img src=x onerror="throw 1"> & <script>throw 2</script> ${name}`;
  await say(page, text);
  await sees(page, text);
  assert.equal(await page.locator('#chat img').count(), 0);
});

test('rooms: what is said in another one is counted as unread', async () => {
  const [one, two] = [await enter(newName('Ada')), await enter(newName('Bob'))];
  const name = newRoom('kitchen');
  await openRoom(one, name);
  await openRoom(two, name);
  await one.locator('[data-room="lobby"]').click();
  await say(two, `tea in ${name}`);
  const badge = one.locator(`[data-room="${name}"] .badge`);
  await badge.waitFor();
  assert.match(await badge.textContent(), /^1/);
  assert.match(await one.title(), /^\(1\)/);
  await one.locator(`[data-room="${name}"]`).click();
  await sees(one, `tea in ${name}`);
  assert.equal(await badge.count(), 0);
});

test('a new name is seen by the others', async () => {
  const [ada, bob] = [newName('Ada'), newName('Bob')];
  const [one, two] = [await enter(ada), await enter(bob)];
  await two.locator('#people', { hasText: ada }).waitFor();
  await one.getByRole('button', { name: ada }).click();
  await one.getByLabel('New name').fill(`${ada} Lovelace`);
  await one.getByRole('button', { name: 'Change', exact: true }).click();
  await two.locator('#people', { hasText: `${ada} Lovelace` }).waitFor();
});

test('a name that is too long is refused in words, and can be mended', async () => {
  const page = await open();
  await page.locator('#name').evaluate((input) => input.removeAttribute('maxlength'));
  await page.getByLabel('Your name', { exact: true }).fill('x'.repeat(33));
  await page.getByRole('button', { name: 'Enter the chat' }).click();
  await page.locator('#enter-error', { hasText: 'does not let you in' }).waitFor();
  await page.getByLabel('Your name', { exact: true }).fill(newName('Short'));
  await page.getByRole('button', { name: 'Enter the chat' }).click();
  await page.locator('#room-name', { hasText: 'lobby' }).waitFor();
});

test('another transport is taken without losing the room', async () => {
  const page = await enter(newName('Ada'), { mode: 'polling' });
  const name = newRoom('moving');
  await openRoom(page, name);
  await say(page, 'over polling');
  await page.getByLabel('Transport').selectOption('websocket');
  await page.locator('#transport', { hasText: 'websocket' }).waitFor();
  await page.locator('#state[data-state="on"]').waitFor();
  await page.locator('#people', { hasText: '(you)' }).waitFor();
  await say(page, 'over websocket');
  await sees(page, 'over polling');
  await sees(page, 'over websocket');
});

test('after a time offline the rooms are joined again, and nothing is shown twice', async () => {
  const [one, two] = [await enter(newName('Ada')), await enter(newName('Bob'))];
  const name = newRoom('tunnel');
  await openRoom(one, name);
  await openRoom(two, name);
  await say(one, 'before the tunnel');
  await sees(two, 'before the tunnel');
  await one.context().setOffline(true);
  await one.locator('#state:not([data-state="on"])').waitFor();
  await one.context().setOffline(false);
  await one.locator('#state[data-state="on"]').waitFor();
  await sees(one, 'before the tunnel');
  await say(two, 'after the tunnel');
  await sees(one, 'after the tunnel');
  assert.equal(await one.locator('.message .body', { hasText: 'before the tunnel' }).count(), 1);
});

test('on a phone: drawers, a room, a message, nothing wider than the screen', async () => {
  const page = await enter(newName('Ada'), { viewport: phone, hasTouch: true, isMobile: true, colorScheme: 'dark' });
  await page.getByRole('button', { name: 'Rooms' }).tap();
  await openRoom(page, newRoom('pocket'));
  await say(page, 'a long word '.repeat(20) + 'x'.repeat(200));
  await sees(page, 'a long word');
  await page.getByRole('button', { name: 'online' }).tap();
  await page.locator('#people', { hasText: '(you)' }).waitFor();
  await page.keyboard.press('Escape');
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= phone.width, `${width} px wide`);
});

test('the page works by keyboard alone', async () => {
  const page = await open();
  const name = newName('Key');
  await page.keyboard.type(name);
  await page.keyboard.press('Enter');
  await page.locator('#room-name', { hasText: 'lobby' }).waitFor();
  await page.getByLabel('Message', { exact: true }).focus();
  await page.keyboard.type(`typed by ${name}`);
  await page.keyboard.press('Enter');
  await sees(page, `typed by ${name}`);
});

const picture = process.env.NONSTICK_SCREENSHOT;
if (picture) {
  test('a picture of the page', async () => {
    const one = await enter('Ada', { colorScheme: 'light' });
    const two = await enter('Grace', { mode: 'polling' });
    for (const page of [one, two]) await openRoom(page, 'tea-kitchen');
    await one.locator('#people', { hasText: 'Grace' }).waitFor();
    await say(one, 'Which instance are you talking to?');
    await sees(two, 'Which instance are you talking to?');
    await say(two, 'A different one for every poll. Nobody minds.');
    await sees(one, 'A different one for every poll. Nobody minds.');
    await say(one, 'No sticky sessions, then.');
    await sees(two, 'No sticky sessions, then.');
    await two.getByLabel('Message', { exact: true }).pressSequentially('None');
    await one.getByText('Grace is typing…').waitFor();
    await one.screenshot({ path: picture });
  });
}
