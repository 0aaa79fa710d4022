// What tests of the chat page share: a browser for a file of tests, people in it, what they do.
//
// CHROMIUM names the browser (/usr/bin/chromium).

import assert from 'node:assert/strict';
import { after, afterEach, before } from 'node:test';
import { chromium } from 'playwright-core';
import { base } from './wire.mjs';

const flags = ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-quic', '--no-first-run'];

export const desk = { width: 1280, height: 800 };
export const phone = { width: 390, height: 780 };
export const narrow = { width: 320, height: 640 };
export const lying = { width: 568, height: 320 }; // the narrowest phone, turned

/** The transport in the end, for each way to choose one. */
export const shown = { polling: 'polling', websocket: 'websocket', automatic: 'websocket' };

/** What the server takes, as it tells the page. */
export const limits = await fetch(new URL('/limits.js', base)).then((answer) => answer.text())
  .then((text) => JSON.parse(text.replace(/^export const limits = (.*);\s*$/, '$1')));

/** A text as long as it may be. */
export const longest = (character, limit) => character.repeat(limit);

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

export const newName = (name) => `${name} ${run}${++names}`;
export const newRoom = (name) => `${name}-${run}${++names}`;
export const message = (page) => page.getByLabel('Message', { exact: true });

/** Opens the page in a browser of its own and notes what goes wrong in it. */
export async function open({ viewport = desk, origin = base.origin, ...options } = {}) {
  const context = await browser.newContext({ viewport, ...options });
  contexts.push(context);
  context.setDefaultTimeout(20_000); // generous: a busy machine is not a failure
  const page = await context.newPage();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('request', (request) => {
    const { host, protocol } = new URL(request.url());
    if (protocol !== 'data:' && host !== new URL(origin).host) faults.push(`asks ${host}`);
  });
  await page.goto(origin);
  return page;
}

/** Waits until the page is connected, by a transport if one is named. */
export async function on(page, transport) {
  await page.locator(`#state[data-state="on"]${transport ? `[data-transport="${transport}"]` : ''}`).waitFor();
}

/** Chooses a transport where the page offers it. */
export async function setMode(page, mode) {
  await page.locator('#state').click();
  await page.getByLabel('Transport').selectOption(mode);
  await page.locator('#connection').getByRole('button', { name: 'Close' }).click();
}

/** Gives a name at the entrance. */
export async function enterAs(page, name) {
  await page.getByLabel('Your name', { exact: true }).fill(name);
  await page.getByRole('button', { name: 'Enter the chat' }).click();
}

/** Opens the page and enters the chat. */
export async function enter(name, { mode = 'automatic', ...options } = {}) {
  const page = await open(options);
  if (mode !== 'automatic') await setMode(page, mode);
  await enterAs(page, name);
  await on(page);
  await page.locator('#room-name', { hasText: 'lobby' }).waitFor();
  return page;
}

export async function say(page, text) {
  await message(page).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Waits until a message is in the log, and asserts that it is there once and not pending. */
export async function sees(page, text) {
  const body = page.locator('.message:not(.pending) .body', { hasText: text });
  await body.first().waitFor();
  assert.equal(await body.count(), 1, `"${text}" once`);
}

export async function openRoom(page, name) {
  await page.getByLabel('New room').fill(name);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.locator('#room-name', { hasText: name }).waitFor();
}
