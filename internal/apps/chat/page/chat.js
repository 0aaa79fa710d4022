// The chat page: what a person does becomes an event to the server, what the server says is shown.

import { Connection, Refusal, findClient, idle, modes } from './connection.js';
import { Drawer, closeDrawer, holdFocus } from './drawers.js';
import { Field } from './fields.js';
import { limits } from './limits.js'; // written by the server
import * as memory from './memory.js';
import { Room } from './rooms.js';
import { typingText } from './words.js';
import * as view from './view.js';

const { $ } = view;
const rooms = new Map(); // name -> Room
const myIDs = new Set(); // a reconnect gives a new id
let me = { id: '', name: '' };
let current = null;

const fields = {
  name: new Field('name', 'a name', limits.name),
  newName: new Field('new-name', 'a name', limits.name),
  newRoom: new Field('new-room', 'the name of a room', limits.room),
  text: new Field('text', 'a message', limits.text),
};

const connection = new Connection({ state: view.showState, refused, welcome, message: heard, typing: typed, joined, left, gone, renamed });

const room = (name) => rooms.get(name) ?? rooms.set(name, new Room(name)).get(name);
const mine = () => [...rooms.values()].filter((one) => one.joined);
const isMe = (id) => myIDs.has(id);
const isShown = (one) => one === current && document.visibilityState === 'visible';
const showRooms = () => view.showRooms([...rooms.values()], current, pickRoom);
const showRoom = () => view.showRoom(current, me.id, limits.people);
const remember = () => memory.remember({ name: me.name, room: current?.name, rooms: mine().map(({ name }) => name) });

// What the server says

function refused(words) {
  connection.close();
  closeDrawer({ giveBack: false });
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  view.showState(idle);
  view.showChat(false);
  memory.forget();
  fields.name.refuse(words);
}

async function welcome({ id, name, rooms: names = [] }) {
  const isNew = !view.isInside();
  me = { id: id ?? connection.id, name };
  myIDs.add(me.id);
  $('my-name').textContent = name;
  for (const each of names) room(each);
  inOrder(names);
  const again = mine();
  for (const one of again) one.joined = false; // the server knows this connection in no room yet
  current ??= room(names[0] ?? 'lobby');
  view.showChat(true);
  showRoom();
  showRooms();
  if (isNew) fields.text.focus();
  for (const one of new Set([current, ...again])) {
    await enter(one).catch((error) => view.showNotice(`#${one.name} cannot be opened. ${error.message}`));
    showRooms();
  }
}

/** Lists the rooms of the server first, then those that came into being here. */
function inOrder(names) {
  const own = [...rooms].filter(([name]) => !names.includes(name));
  for (const [name, one] of own) {
    rooms.delete(name);
    rooms.set(name, one);
  }
}

/** Joins a room, for the first time or after a reconnect. Rejects with words for a reader. */
async function enter(one) {
  one.enter(await connection.ask('join', one.name));
  one.users.set(me.id, me.name); // of a full room the server lists some
  remember();
  if (one === current) showRoom();
}

function heard(message) {
  const one = room(message.room);
  one.setTyping({ id: message.from, on: false });
  const mine = isMe(message.from);
  const { item, isNew } = one.add(message, mine);
  if (isNew) added(one, { counts: !mine });
  else view.refreshItem(item);
}

/** Shows the newest item of a room, or counts it as unread. */
function added(one, { counts }) {
  if (one === current) view.appendItem(one);
  if (counts && !isShown(one)) one.unread++;
  showRooms();
  showTyping();
}

function typed({ room: name, id, name: who, on }) {
  if (!isMe(id)) room(name).setTyping({ id, name: who, on });
  showTyping();
}

function showTyping() {
  view.showTyping(current ? typingText(current.whoTypes()) : '');
}

function joined({ room: name, id, name: who }) {
  const one = room(name);
  const known = one.users.has(id);
  one.users.set(id, who);
  peopleChanged(one, known || isMe(id) ? '' : `${who} came in`);
}

function left({ room: name, id, name: who }) {
  const one = room(name);
  const known = one.users.delete(id);
  one.setTyping({ id, on: false });
  peopleChanged(one, known && !isMe(id) ? `${who} has left` : '');
}

function gone({ id, name: who }) {
  for (const one of rooms.values()) if (one.users.has(id)) left({ room: one.name, id, name: who });
}

function renamed({ id, name: who }) {
  for (const one of rooms.values()) {
    const before = one.users.get(id);
    if (before === undefined) continue;
    one.users.set(id, who);
    peopleChanged(one, before !== who ? `${before} is now ${who}` : '');
  }
}

function peopleChanged(one, event) {
  if (event) one.addEvent(event);
  if (event && one === current) view.appendItem(one);
  if (one === current) view.showPeople(one, me.id, limits.people);
  showTyping();
}

// What the person does

function enterChat(event) {
  event.preventDefault();
  const name = fields.name.take();
  if (name) open(name);
}

function open(name) {
  me.name = name;
  connection.open(name, $('mode').value);
}

function changeMode() {
  memory.choose('mode', $('mode').value);
  if (connection.isWanted) open(me.name);
}

/** Shows a room, and joins it before if need be. Rejects with words for a reader. */
async function switchTo(name) {
  stopTyping();
  const one = rooms.get(name) ?? new Room(name);
  if (!one.joined) await enter(one);
  rooms.set(one.name, one);
  current = one;
  current.unread = 0;
  fields.newRoom.text = '';
  closeDrawer({ giveBack: false });
  showRoom();
  showRooms();
  showTyping();
  remember();
  fields.text.focus();
}

function pickRoom(name) {
  return switchTo(name).catch((error) => {
    closeDrawer();
    view.showNotice(`#${name} cannot be opened. ${error.message}`);
  });
}

async function openRoom(event) {
  event.preventDefault();
  const name = fields.newRoom.take();
  if (name) await switchTo(name.replace(/^#\s*/, '')).catch((error) => fields.newRoom.refuse(error.message));
}

async function leaveRoom() {
  const from = current;
  try {
    await connection.ask('leave', from.name);
  } catch (error) {
    return view.showNotice(`You are still in #${from.name}. ${error.message}`);
  }
  from.joined = false;
  from.users.clear();
  from.unread = 0;
  const next = mine()[0] ?? rooms.values().next().value;
  if (next !== from) return pickRoom(next.name);
  remember();
  showRoom();
  showRooms();
}

async function send(event) {
  event.preventDefault();
  const text = fields.text.take();
  if (!text) return;
  if (!connection.isOpen) return fields.text.refuse('You are not connected. Your message stays here; send it again once you are.');
  const one = current;
  fields.text.text = '';
  stopTyping();
  const item = one.addPending(me.name, text);
  item.from = me.id;
  added(one, { counts: false });
  try {
    if (!one.joined) await enter(one);
    const taken = await connection.ask('message', { room: one.name, text });
    if (!one.confirm(item, taken)) view.removeItem(item);
  } catch (error) {
    if (!item.pending) return; // it had arrived all the same
    item.pending = false;
    if (error instanceof Refusal && one === current && !fields.text.text) return takeBack(one, item, error.message);
    item.fault = error instanceof Refusal ? `Not sent. ${error.message}` : `Perhaps not sent. ${error.message}`;
  }
  view.refreshItem(item);
}

/** A message that the server refused is in the field again, to be mended. */
function takeBack(one, item, words) {
  one.withdraw(item);
  view.removeItem(item);
  fields.text.text = item.text;
  fields.text.refuse(words);
}

let typingRoom = null;
let typingTimer;
let typingSaid = 0;

/** Tells the room at most every two seconds that we type, and after three quiet ones that we do not. */
function keyPressed() {
  if (!current?.joined || $('text').value === '') return stopTyping();
  clearTimeout(typingTimer);
  typingTimer = setTimeout(stopTyping, 3_000);
  if (typingRoom === current && Date.now() - typingSaid < 2_000) return;
  typingRoom = current;
  typingSaid = Date.now();
  connection.tell('typing', { room: current.name, on: true });
}

function stopTyping() {
  clearTimeout(typingTimer);
  if (typingRoom) connection.tell('typing', { room: typingRoom.name, on: false });
  typingRoom = null;
}

function openRename() {
  fields.newName.text = me.name;
  $('rename-dialog').showModal();
  fields.newName.input.select();
}

async function rename(event) {
  event.preventDefault();
  const name = fields.newName.take();
  if (!name) return;
  try {
    if (name !== me.name) me.name = (await connection.ask('rename', name)).name;
  } catch (error) {
    return fields.newName.refuse(error.message);
  }
  connection.rememberName(me.name);
  remember();
  $('my-name').textContent = me.name;
  $('rename-dialog').close();
}

const themes = { system: 'as the system', light: 'light', dark: 'dark' };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  memory.choose('theme', theme);
  $('theme-text').textContent = `Colours: ${themes[theme]}`;
  $('theme').title = $('theme-text').textContent;
}

function nextTheme() {
  const names = Object.keys(themes);
  setTheme(names[(names.indexOf(document.documentElement.dataset.theme) + 1) % names.length]);
}

function seenAgain() {
  if (document.visibilityState !== 'visible' || !current) return;
  current.unread = 0;
  showRooms();
}

function listen() {
  $('enter').addEventListener('submit', enterChat);
  $('create').addEventListener('submit', openRoom);
  $('leave').addEventListener('click', leaveRoom);
  $('send').addEventListener('submit', send);
  $('text').addEventListener('input', keyPressed);
  $('text').addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) send(event);
  });
  $('log').addEventListener('scroll', view.noticeScroll, { passive: true });
  $('newer').addEventListener('click', view.toEnd);
  $('rename').addEventListener('click', openRename);
  $('rename-form').addEventListener('submit', rename);
  $('rename-cancel').addEventListener('click', () => $('rename-dialog').close());
  $('state').addEventListener('click', () => $('connection').showModal());
  $('mode').addEventListener('change', changeMode);
  $('retry').addEventListener('click', () => connection.retry());
  $('notice-close').addEventListener('click', () => view.showNotice(''));
  for (const dialog of document.querySelectorAll('dialog')) holdFocus(dialog);
  new Drawer('rooms-panel', 'menu');
  new Drawer('people-panel', 'people-toggle');
  document.addEventListener('visibilitychange', seenAgain);
  setInterval(showTyping, 1_000);
}

/** Goes back into the chat after a reload, with the name and into the rooms of before. */
function comeBack({ name, room: shown, rooms: names }) {
  for (const each of names) room(each).joined = true;
  current = rooms.get(shown) ?? null;
  open(name);
}

async function begin() {
  setTheme(memory.choice('theme', Object.keys(themes)));
  $('theme').addEventListener('click', nextTheme);
  $('mode').value = memory.choice('mode', modes);
  const before = memory.who();
  if (!fields.name.text) fields.name.text = before.name; // what was typed while the page loaded stays
  view.showState(idle);
  if (!window.io && !(await findClient())) {
    view.showNotice('The Socket.IO client is not there. Stop the server and start it with: make run', { stay: true });
    return;
  }
  listen();
  $('enter').querySelector('button').disabled = false; // before that the browser would send the form by itself
  fields.name.focus();
  if (before.inside) comeBack(before);
}

begin();
