// What the chat page says of the server, in a real browser: whether it is there, what it does not take, what is kept of it all. The
// server runs the app "chat".

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { enter, enterAs, limits, longest, message, narrow, newName, newRoom, on, open, openRoom, phone, say, sees, setMode } from './chatpage.mjs';
import { newLine } from './line.mjs';
import { fits, focused, hasFocus, isReadable, picture } from './looks.mjs';

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
    await page.locator('#enter button:enabled').waitFor();
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
    await page.locator('#enter button:enabled').waitFor();
    await line.cut();
    await enterAs(page, newName('Early'));
    await page.locator('#enter-progress', { hasText: /unreachable since \d/ }).waitFor();
    await fits(page, 'the server has gone');
  });

  test('the page came, and the server has gone before it could ask how to connect', async () => {
    const line = await newLine();
    const page = await open({ origin: line.origin });
    await page.locator('#enter button:enabled').waitFor();
    await line.cut();
    await enterAs(page, newName('Late'));
    await page.getByRole('button', { name: /Server unreachable since \d/ }).waitFor();
    await line.mend();
    await on(page, 'websocket');
  });

  test('the form waits for the page: nothing is sent by the browser itself', async () => {
    const page = await open();
    await page.route('**/rooms.js', async (route) => { // the page is not all there for a while
      await new Promise((done) => setTimeout(done, 1_000));
      await route.continue();
    });
    await page.reload({ waitUntil: 'commit' });
    await hasFocus(page, 'name');
    await page.keyboard.type('Ada');
    await page.keyboard.press('Enter');
    await page.locator('#enter button:enabled').waitFor();
    assert.equal(new URL(page.url()).search, '');
    assert.equal(await page.locator('#name').inputValue(), 'Ada');
  });

  test('the server ends the connection: the page says so, and connects when asked', async () => {
    const page = await open();
    let end;
    await page.routeWebSocket(/transport=websocket/, (socket) => {
      socket.connectToServer();
      end = () => socket.send('41'); // a DISCONNECT of the server
    });
    await page.reload();
    await setMode(page, 'websocket');
    await enterAs(page, newName('Guest'));
    await on(page, 'websocket');
    end();
    await page.getByRole('button', { name: 'Disconnected' }).click();
    await page.locator('#state-detail', { hasText: 'The server ended the connection.' }).waitFor();
    await page.getByRole('button', { name: 'Connect now' }).click();
    await on(page, 'websocket');
  });

  test('a room that cannot be opened: the page says so, until that is closed', async () => {
    const line = await newLine();
    const page = await enter(newName('Lost'), { origin: line.origin, viewport: phone, reducedMotion: 'reduce' });
    await line.cut();
    await page.locator('#state[data-state="off"]').waitFor();
    await page.locator('#menu').click();
    await page.locator('[data-room="help"]').click();
    await page.getByRole('alert').filter({ hasText: '#help cannot be opened. You are not connected' }).waitFor();
    assert.equal(await focused(page), 'menu');
    await fits(page, 'a notice');
    await page.locator('#notice').getByRole('button', { name: 'Close' }).click();
    await page.locator('#notice').waitFor({ state: 'hidden' });
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
  /** Waits until the page shows that it is in so many rooms. They are joined one after the other. */
  const inRooms = (page, count) => page.waitForFunction((n) => document.querySelectorAll('#rooms button:not(.away)').length === n, count, { timeout: 60_000 });

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
    await inRooms(page, limits.rooms);
    await page.getByLabel('New room').fill(newRoom('one-more'));
    await page.getByRole('button', { name: 'Open' }).click();
    await page.locator('#new-room-error', { hasText: `You are in ${limits.rooms} rooms, which is the limit` }).waitFor();
    await page.locator('#leave').click();
    await inRooms(page, limits.rooms - 1);
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
