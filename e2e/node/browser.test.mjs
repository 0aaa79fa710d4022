// The chat in a real browser: two people, each in a browser of their own, over each transport. The server runs the app
// "chat". page.test.mjs looks at the page itself.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { enter, enterAs, message, newName, newRoom, on, open, openRoom, phone, say, sees, setMode, shown } from './chatpage.mjs';

for (const mode of Object.keys(shown)) {
  describe(mode, () => {
    test('two people talk', async () => {
      const [ada, bob] = [newName('Ada'), newName('Bob')];
      const [one, two] = [await enter(ada, { mode }), await enter(bob, { mode })];
      for (const page of [one, two]) await on(page, shown[mode]);

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
  await message(one).pressSequentially('so');
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
  await one.getByRole('button', { name: 'Change name' }).click();
  await one.getByLabel('New name').fill(`${ada} Lovelace`);
  await one.getByRole('button', { name: 'Change', exact: true }).click();
  await two.locator('#people', { hasText: `${ada} Lovelace` }).waitFor();
});

test('what the server refuses is said at its field, and can be mended', async () => {
  const page = await open();
  const twoLines = 'a\u2028b'; // the page sees nothing wrong in it
  await enterAs(page, twoLines);
  await page.locator('#name-error', { hasText: 'The name has characters that cannot be shown' }).waitFor();
  assert.equal(await page.locator('#name').getAttribute('aria-invalid'), 'true');
  await enterAs(page, newName('Mended'));
  await page.locator('#room-name', { hasText: 'lobby' }).waitFor();

  await page.getByLabel('New room').fill(twoLines);
  await page.getByRole('button', { name: 'Open' }).click();
  await page.locator('#new-room-error', { hasText: "The room's name has characters" }).waitFor();
  assert.equal(await page.getByLabel('New room').inputValue(), twoLines);
  await openRoom(page, newRoom('mended'));

  await message(page).fill('\u200b'); // nothing that could be seen
  await page.getByRole('button', { name: 'Send' }).click();
  await page.locator('#text-error', { hasText: 'The message is empty.' }).waitFor();
  assert.equal(await page.locator('.message').count(), 0);
  await say(page, 'mended');
  await sees(page, 'mended');
});

test('after a reload the name, the rooms and the room that was shown are there again', async () => {
  const [ada, bob] = [newName('Ada'), newName('Bob')];
  const [one, two] = [await enter(ada), await enter(bob)];
  const [kitchen, garden] = [newRoom('kitchen'), newRoom('garden')];
  for (const page of [one, two]) for (const name of [kitchen, garden]) await openRoom(page, name);
  await one.reload();
  await one.locator('#room-name', { hasText: garden }).waitFor();
  await one.locator('#people', { hasText: `${ada} (you)` }).waitFor();
  await two.locator(`[data-room="${kitchen}"]`).click();
  await two.locator('#people', { hasText: ada }).waitFor();
  await say(two, `tea in ${kitchen}`);
  await one.locator(`[data-room="${kitchen}"] .badge`).waitFor();
});

test('another transport is taken without losing the room', async () => {
  const page = await enter(newName('Ada'), { mode: 'polling' });
  const name = newRoom('moving');
  await openRoom(page, name);
  await say(page, 'over polling');
  await setMode(page, 'websocket');
  await on(page, 'websocket');
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

test('on a phone: drawers, a room, a message', async () => {
  const page = await enter(newName('Ada'), { viewport: phone, hasTouch: true, isMobile: true, colorScheme: 'dark' });
  await page.getByRole('button', { name: 'Rooms' }).tap();
  await openRoom(page, newRoom('pocket'));
  await say(page, 'a long word '.repeat(20) + 'x'.repeat(200));
  await sees(page, 'a long word');
  await page.getByRole('button', { name: 'online' }).tap();
  await page.locator('#people', { hasText: '(you)' }).waitFor();
});
