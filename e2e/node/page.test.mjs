// The chat page itself, in a real browser: what fits, what can be read and reached, what it says when the server is not there. The
// server runs the app "chat".
//
// Pictures go to e2e/artifacts; NONSTICK_SCREENSHOTS=DIR keeps those that the documentation shows.

import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';
import { afterEach, describe, test } from 'node:test';
import { desk, enter, enterAs, message, narrow, newName, newRoom, on, open, openRoom, phone, say, sees } from './chatpage.mjs';
import { Line } from './line.mjs';
import { fits, focused, hasFocus, isReadable, isStill } from './looks.mjs';
import { base } from './wire.mjs';

const artifacts = new URL('../artifacts/', import.meta.url);
const kept = process.env.NONSTICK_SCREENSHOTS;

/** Takes a picture; those of the documentation are kept if they are wanted. */
async function picture(page, name, { show = false } = {}) {
  await mkdir(artifacts, { recursive: true });
  const path = new URL(`${name}.png`, artifacts);
  await page.screenshot({ path: path.pathname });
  if (show && kept) await copyFile(path, `${kept}/${name}.png`);
}

const limits = await fetch(new URL('/limits.js', base)).then((answer) => answer.text())
  .then((text) => JSON.parse(text.replace(/^export const limits = (.*);\s*$/, '$1')));

let lines = [];
afterEach(() => Promise.all(lines.splice(0).map((line) => line.close())));

async function newLine() {
  const line = await Line.open();
  lines.push(line);
  return line;
}

const longest = (character, limit) => character.repeat(limit);

/** Every state of the page that has a shape of its own, with names and words as long as they may be. */
async function* states(options) {
  const page = await open(options);
  yield [page, 'entrance'];
  await page.getByRole('button', { name: 'Enter the chat' }).click();
  yield [page, 'entrance-refused'];
  await enterAs(page, longest('W', limits.name));
  await on(page);
  await page.locator('#people', { hasText: '(you)' }).waitFor({ state: 'attached' });
  await openRoomAnywhere(page, longest('M', limits.room));
  await say(page, `${longest('W', 200)} and short ones`);
  await sees(page, 'and short ones');
  await message(page).fill('one line\n'.repeat(12));
  yield [page, 'chat'];
  for (const [button, name] of [['#menu', 'rooms'], ['#people-toggle', 'people']]) {
    if (!(await page.locator(button).isVisible())) continue;
    await page.locator(button).click();
    yield [page, `drawer-${name}`];
    await page.keyboard.press('Escape');
  }
  await page.locator('#state').click();
  yield [page, 'connection'];
  await page.keyboard.press('Escape');
  await message(page).fill(longest('x', limits.text + 1));
  yield [page, 'too-long'];
}

/** Opens a room where the page shows how: in a drawer on a phone. */
async function openRoomAnywhere(page, name) {
  if (await page.locator('#menu').isVisible()) await page.locator('#menu').click();
  await openRoom(page, name);
}

describe('pictures', () => { // first, while nobody else is in the lobby
  test('two people at a desk; one after entering by keyboard; one at 320 px', async () => {
    const one = await enter('Ada', { colorScheme: 'light' });
    const two = await enter('Grace', { mode: 'polling', viewport: narrow, colorScheme: 'dark' });
    for (const page of [one, two]) await openRoomAnywhere(page, 'tea-kitchen');
    await one.locator('#people', { hasText: 'Grace' }).waitFor();
    for (const [from, to, text] of [
      [one, two, 'Which instance are you talking to?'],
      [two, one, 'A different one for every poll. Nobody minds.'],
      [one, two, 'No sticky sessions, then.'],
    ]) {
      await say(from, text);
      await sees(to, text);
    }
    await message(two).pressSequentially('None');
    await one.getByText('Grace is typing…').waitFor();
    await picture(one, 'chat', { show: true });
    await picture(two, 'chat-320', { show: true });
    await two.locator('#menu').click();
    await picture(two, 'chat-drawer-320');

    const three = await open({ colorScheme: 'light' });
    await hasFocus(three, 'name');
    await three.keyboard.type('Alan');
    await picture(three, 'entrance');
    await three.keyboard.press('Enter');
    await hasFocus(three, 'text');
    await three.locator('#people', { hasText: '(you)' }).waitFor();
    await three.keyboard.type('Typed without a mouse');
    await picture(three, 'chat-keyboard', { show: true });
  });
});

describe('nothing is cut off, all can be read, nothing moves that need not', () => {
  for (const [name, viewport] of Object.entries({ 320: narrow, 390: phone, 1280: desk })) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${name} px, ${colorScheme}`, async () => {
        for await (const [page, state] of states({ viewport, colorScheme, reducedMotion: 'reduce' })) {
          await picture(page, `${state}-${name}-${colorScheme}`);
          await fits(page, state);
          await isReadable(page, state);
          await isStill(page, state);
        }
      });
    }
  }
});

describe('by keyboard', () => {
  test('the focus is in the message field after the entrance, and after each room', async () => {
    const page = await open();
    const name = newName('Key');
    await hasFocus(page, 'name');
    await page.keyboard.type(name);
    await page.keyboard.press('Enter');
    await hasFocus(page, 'text');
    await page.keyboard.type(`typed by ${name}`);
    await page.keyboard.press('Enter');
    await sees(page, `typed by ${name}`);
    await page.getByLabel('New room').focus();
    await page.keyboard.type(newRoom('keys'));
    await page.keyboard.press('Enter');
    await page.locator('#room-name', { hasText: 'keys' }).waitFor();
    await hasFocus(page, 'text');
  });

  test('Tab goes through the page as it is read', async () => {
    const page = await enter(newName('Tab'));
    await hasFocus(page, 'text');
    const order = [];
    for (let at = ''; at !== 'text' && order.length < 30; order.push(at)) {
      await page.keyboard.press('Tab');
      at = await focused(page);
    }
    assert.deepEqual(order.filter((id) => id !== 'nothing'), [
      'Send', 'skip', 'state', 'theme', 'lobby', 'help', 'random', 'new-room', 'Open', 'rename', 'leave', 'log', 'text',
    ]);
  });

  test('a reconnect takes the focus from nobody', async () => {
    const line = await newLine();
    const page = await enter(newName('Reader'), { origin: line.origin });
    await page.getByLabel('New room').focus();
    await line.cut();
    await page.locator('#state[data-state="off"]').waitFor();
    await line.mend();
    await on(page);
    await page.locator('#people', { hasText: '(you)' }).waitFor();
    assert.equal(await focused(page), 'new-room');
  });

  for (const [what, button, panel, back] of [
    ['the drawer of rooms', '#menu', '#rooms-panel', 'menu'],
    ['the drawer of people', '#people-toggle', '#people-panel', 'people-toggle'],
    ['the connection', '#state', '#connection', 'state'],
    ['the name', '#rename', '#rename-dialog', 'rename'],
  ]) {
    test(`${what} keeps the focus while it is open, and gives it back`, async () => {
      const page = await enter(newName('Finn'), { viewport: phone });
      await hasFocus(page, 'text');
      if (button === '#rename') await page.locator('#menu').click();
      const isIn = () => page.locator(panel).evaluate((element) => element.contains(document.activeElement));
      await page.locator(button).focus();
      await page.keyboard.press('Enter');
      assert.ok(await page.locator(panel).isVisible());
      assert.ok(await isIn(), `the focus goes to ${await focused(page)}`);
      for (const key of ['Tab', 'Shift+Tab']) {
        for (let n = 0; n < 12; n++) {
          await page.keyboard.press(key);
          assert.ok(await isIn(), `${key} leads to ${await focused(page)}`);
        }
      }
      await page.keyboard.press('Escape');
      await page.locator(panel).waitFor({ state: 'hidden' });
      await hasFocus(page, back);
    });
  }

  test('a page that becomes wide has nothing out of reach', async () => {
    const page = await enter(newName('Turn'), { viewport: phone });
    await page.locator('#menu').click();
    await page.locator('#rooms-panel .close').waitFor();
    await page.setViewportSize(desk);
    await page.waitForFunction(() => document.querySelectorAll('[inert]').length === 0);
    await say(page, 'turned');
    await sees(page, 'turned');
  });
});

describe('the connection in words', () => {
  /** Keeps what the page says about its connection, from the beginning. */
  async function spoken(page) {
    await page.evaluate(() => {
      window.spoken = [document.getElementById('state-text').textContent];
      new MutationObserver(() => window.spoken.push(document.getElementById('state-text').textContent))
        .observe(document.getElementById('state-text'), { subtree: true, childList: true, characterData: true });
    });
    return () => page.evaluate(() => window.spoken.map((text) => text.replace(/\d.*/, 'TIME')));
  }

  test('on a phone: connected, the server dead, there again', async () => {
    const line = await newLine();
    const page = await open({ viewport: phone, hasTouch: true, isMobile: true, origin: line.origin, reducedMotion: 'reduce' });
    const said = await spoken(page);
    await enterAs(page, 'Ada');
    await on(page, 'websocket');
    await page.locator('#people', { hasText: '(you)' }).waitFor({ state: 'attached' });
    await say(page, 'Is anybody there?');
    await sees(page, 'Is anybody there?');
    await line.cut();
    await page.getByRole('button', { name: /Server unreachable since \d/ }).waitFor();
    await say(page, 'written meanwhile');
    await page.locator('#text-error', { hasText: 'Your message stays here' }).waitFor();
    assert.equal(await message(page).inputValue(), 'written meanwhile');
    await fits(page, 'unreachable');
    await isReadable(page, 'unreachable');
    await picture(page, 'chat-unreachable', { show: true });
    await line.mend();
    await page.getByRole('button', { name: /unreachable|Connected/ }).tap();
    await on(page, 'websocket');
    assert.deepEqual((await said()).filter((text, i, all) => all.indexOf(text) === i), [
      'Not connected', 'Connecting…', 'Connected · polling', 'Connected · WebSocket', 'Reconnecting…', 'Server unreachable since TIME',
    ]);
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Send' }).tap();
    await sees(page, 'written meanwhile');
  });

  test('it is a button in a live region, and connects at once', async () => {
    const line = await newLine();
    const page = await enter(newName('Now'), { origin: line.origin, mode: 'polling' });
    const state = page.locator('#state');
    assert.equal(await state.evaluate((element) => element.tagName), 'BUTTON');
    assert.equal(await state.evaluate((element) => element.closest('[role="status"]') !== null), true);
    await line.cut();
    await page.locator('#state[data-state="off"]').waitFor();
    await state.click();
    await line.mend();
    await page.getByRole('button', { name: 'Connect now' }).click();
    await on(page, 'polling');
    await page.locator('#state-detail', { hasText: 'by polling' }).waitFor();
  });

  test('a server that does not answer', async () => {
    const line = await newLine();
    const page = await open({ origin: line.origin, viewport: narrow });
    line.silence();
    await enterAs(page, newName('Patient'));
    await page.getByRole('button', { name: 'Connecting…' }).waitFor();
    await page.locator('#enter-progress', { hasText: 'Connecting…' }).waitFor();
    await line.cut();
    await line.mend();
    await on(page);
  });

  test('at the entrance: the server has gone', async () => {
    const line = await newLine();
    const page = await open({ origin: line.origin, viewport: narrow });
    await line.cut();
    await enterAs(page, newName('Early'));
    await page.locator('#enter-progress', { hasText: /unreachable since \d/ }).waitFor();
    await fits(page, 'the server has gone');
  });

  test('a device without a network says so', async () => {
    const page = await enter(newName('Train'), { viewport: phone });
    await page.context().setOffline(true);
    await page.getByRole('button', { name: /Device offline since \d/ }).waitFor();
    await page.context().setOffline(false);
    await on(page);
  });

  test('the transports are named', async () => {
    const page = await open();
    await page.locator('#state').click();
    assert.deepEqual(await page.getByLabel('Transport').locator('option').allTextContents(), ['Automatic', 'WebSocket', 'Polling']);
  });
});

describe('limits', () => {
  test('what is too long is said at its field, and not sent; at the limit it is taken', async () => {
    const page = await open();
    const sent = [];
    page.on('request', (request) => request.method() === 'POST' && sent.push(request.url()));
    await enterAs(page, longest('😀', limits.name + 1));
    await page.locator('#name-error', { hasText: `${limits.name} characters are the limit` }).waitFor();
    assert.equal(await focused(page), 'name');
    assert.deepEqual(sent, []);
    await enterAs(page, longest('😀', limits.name));
    await on(page);

    await page.getByLabel('New room').fill(longest('r', limits.room + 1));
    await page.getByRole('button', { name: 'Open' }).click();
    await page.locator('#new-room-error', { hasText: `${limits.room} characters` }).waitFor();
    await openRoom(page, longest('r', limits.room));

    await say(page, longest('ü', limits.text + 1));
    await page.locator('#text-error', { hasText: `${limits.text} characters` }).waitFor();
    assert.equal(await page.locator('.message').count(), 0);
    await say(page, longest('ü', limits.text));
    await sees(page, longest('ü', limits.text));
    assert.equal(await page.locator('#text-error').textContent(), '');

    await page.locator('#rename').click();
    await page.getByLabel('New name').fill(longest('n', limits.name + 1));
    await page.getByRole('button', { name: 'Change', exact: true }).click();
    await page.locator('#new-name-error', { hasText: `${limits.name} characters` }).waitFor();
  });

  test('in too many rooms: the server says so at the field', async () => {
    const page = await enter(newName('Rover'));
    const many = Array.from({ length: limits.rooms + 30 }, () => newRoom('r'));
    await page.evaluate((rooms) => {
      const tab = JSON.parse(sessionStorage.getItem('nonstick-chat'));
      sessionStorage.setItem('nonstick-chat', JSON.stringify({ ...tab, room: rooms[0], rooms }));
    }, many);
    await page.reload();
    await on(page);
    await page.waitForFunction((n) => document.querySelectorAll('#rooms button:not(.away)').length === n, limits.rooms);
    await page.getByLabel('New room').fill(newRoom('one-more'));
    await page.getByRole('button', { name: 'Open' }).click();
    await page.locator('#new-room-error', { hasText: `You are in ${limits.rooms} rooms, which is the limit` }).waitFor();
    await page.locator('#leave').click();
    await page.waitForFunction((n) => document.querySelectorAll('#rooms button:not(.away)').length === n, limits.rooms - 1);
    await openRoom(page, newRoom('one-more'));
  });
});

describe('what is remembered', () => {
  test('a reload keeps the name; messages are not kept, and the page says so', async () => {
    const name = newName('Ada');
    const page = await enter(name);
    await say(page, `gone tomorrow, says ${name}`);
    await sees(page, `gone tomorrow, says ${name}`);
    await page.reload();
    await page.locator('#people', { hasText: `${name} (you)` }).waitFor();
    await hasFocus(page, 'text');
    assert.equal(await page.locator('.message').count(), 0);
    await page.locator('#log', { hasText: 'Messages are not kept' }).waitFor();
  });

  test('a name that the server no longer takes leads back to the entrance', async () => {
    const page = await enter(newName('Ada'));
    await page.evaluate(() => sessionStorage.setItem('nonstick-chat', JSON.stringify({ name: 'a\u202eb', rooms: [] })));
    await page.reload();
    await page.locator('#name-error', { hasText: 'cannot be shown in one line' }).waitFor();
    await page.reload();
    assert.ok(await page.locator('#welcome').isVisible());
    assert.equal(await page.locator('#state').getAttribute('data-state'), 'idle');
  });

  for (const [what, tab, name] of [
    ['no JSON', '{', 'x'.repeat(1000)],
    ['null', 'null', ''],
    ['other types', '{"name":7,"room":{},"rooms":"lobby"}', ' '],
    ['a name too long', JSON.stringify({ name: 'x'.repeat(limits.name + 1), rooms: [1, null] }), 'y'.repeat(limits.name + 1)],
  ]) {
    test(`kept by another page: ${what}`, async () => {
      const page = await open();
      await page.evaluate(([tab, name]) => {
        sessionStorage.setItem('nonstick-chat', tab);
        localStorage.setItem('name', name);
        localStorage.setItem('mode', 'pigeon');
        localStorage.setItem('theme', 'plaid');
      }, [tab, name]);
      await page.reload();
      assert.equal(await page.getByLabel('Your name', { exact: true }).inputValue(), '');
      assert.equal(await page.getByRole('button', { name: 'Colours: as the system' }).count(), 1);
      await enterAs(page, newName('Anew'));
      await on(page, 'websocket');
    });
  }

  test('a browser that keeps nothing can chat all the same', async () => {
    const page = await open();
    await page.addInitScript(() => {
      for (const storage of ['localStorage', 'sessionStorage']) {
        Object.defineProperty(window, storage, { get: () => { throw new DOMException('denied', 'SecurityError'); } });
      }
    });
    await page.reload();
    await enterAs(page, newName('Private'));
    await on(page);
  });
});
