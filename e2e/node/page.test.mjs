// How the chat page looks in a real browser, and how it is used by keyboard. The server runs the app "chat".

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { desk, enter, enterAs, limits, longest, lying, message, narrow, newName, newRoom, on, open, openRoom, phone, say, sees } from './chatpage.mjs';
import { newLine } from './line.mjs';
import { fits, focused, hasFocus, isReadable, isStill, picture } from './looks.mjs';

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
    await three.locator('#enter button:enabled').waitFor();
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
  for (const [name, viewport] of Object.entries({ 320: narrow, 390: phone, '568 by 320': lying, 1280: desk })) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${name} px, ${colorScheme}`, async () => {
        for await (const [page, state] of states({ viewport, colorScheme, reducedMotion: 'reduce' })) {
          await picture(page, `${state}-${name.replaceAll(' ', '-')}-${colorScheme}`);
          await fits(page, state);
          await isReadable(page, state);
          await isStill(page, state);
        }
      });
    }
  }
});

describe('what the measures do not take', () => {
  for (const [what, style, measure] of [
    ['a page wider than the screen', '.card { min-width: 30rem }', fits],
    ['a control that is out of sight', '#theme { translate: 4rem 0 }', fits],
    ['a control below the screen', '#welcome { overflow: visible } #enter { translate: 0 30rem }', fits],
    ['a text that is cut off', '#welcome-title { width: 2rem; overflow: hidden; white-space: nowrap }', fits],
    ['a text as pale as its ground', '.quiet { color: light-dark(#aaa, #555) }', isReadable],
    ['something that moves', '#state i { animation: blink 1s infinite }', isStill],
  ]) {
    test(what, async () => {
      const page = await open({ viewport: narrow });
      await measure(page, 'as it is');
      await page.evaluate((text) => { // as the policy of the page allows it
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(text);
        document.adoptedStyleSheets.push(sheet);
      }, style);
      await assert.rejects(measure(page, what), assert.AssertionError);
    });
  }
});

describe('by keyboard', () => {
  test('the focus is in the message field after the entrance, and after each room', async () => {
    const page = await open();
    const name = newName('Key');
    await hasFocus(page, 'name');
    await page.locator('#enter button:enabled').waitFor();
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
