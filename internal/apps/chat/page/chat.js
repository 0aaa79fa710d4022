// The chat page: what a person does becomes an event to the server, what the server says is shown.

import { Connection } from './connection.js';
import { Room, typingText } from './rooms.js';
import * as view from './view.js';

const { $ } = view;
const rooms = new Map(); // name -> Room
const myIDs = new Set(); // a reconnect gives a new id
let me = { id: '', name: '' };
let current = null;

const connection = new Connection({
  state: view.showState,
  transport: view.showTransport,
  refused,
  welcome,
  message: heard,
  typing: typed,
  joined,
  left,
  gone,
  renamed,
});

const room = (name) => rooms.get(name) ?? rooms.set(name, new Room(name)).get(name);
const showRooms = () => view.showRooms([...rooms.values()], current, switchTo);
const isMe = (id) => myIDs.has(id);
const isShown = (one) => one === current && document.visibilityState === 'visible';

// What the server says

function refused(message) {
  connection.close();
  view.showState('off', 'not connected');
  view.showTransport('');
  $('chat').hidden = true;
  $('welcome').hidden = false;
  $('enter-error').textContent = kindly(message);
  $('name').focus();
}

function kindly(message) {
  return `The server does not let you in: ${message || 'it gave no reason'}.`;
}

async function welcome({ id, name, rooms: names = [] }) {
  me = { id: id ?? connection.id, name };
  myIDs.add(me.id);
  $('my-name').textContent = name;
  $('welcome').hidden = true;
  $('chat').hidden = false;
  for (const each of names) room(each);
  const again = [...rooms.values()].filter(({ joined: was }) => was);
  if (!current) current = room(names[0] ?? 'lobby');
  for (const one of new Set([current, ...again])) await enter(one);
  showRooms();
}

/** Joins a room, for the first time or after a reconnect. */
async function enter(one) {
  try {
    one.enter(await connection.ask('join', one.name));
    if (one === current) view.showRoom(one, me.id);
  } catch (error) {
    view.showNotice(`#${one.name} cannot be opened. ${error.message}`);
  }
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
  if (one === current) view.showPeople(one, me.id);
  showTyping();
}

// What the person does

function enterChat(event) {
  event.preventDefault();
  const name = $('name').value.trim();
  if (!name) return $('name').focus();
  $('enter-error').textContent = '';
  localStorage.setItem('name', name);
  me.name = name;
  connection.open(name, $('mode').value);
}

function changeMode() {
  localStorage.setItem('mode', $('mode').value);
  if (me.name && !$('chat').hidden) connection.open(me.name, $('mode').value);
}

async function switchTo(name) {
  stopTyping();
  current = room(name);
  current.unread = 0;
  view.closeDrawers();
  view.showRoom(current, me.id);
  showRooms();
  showTyping();
  if (!current.joined) await enter(current);
  showRooms();
  $('text').focus();
}

function createRoom(event) {
  event.preventDefault();
  const name = $('new-room').value.trim().replace(/^#\s*/, '');
  if (!name) return;
  $('new-room').value = '';
  switchTo(name);
}

async function leaveRoom() {
  const gone = current;
  try {
    await connection.ask('leave', gone.name);
  } catch (error) {
    return view.showNotice(`You are still in #${gone.name}. ${error.message}`);
  }
  gone.joined = false;
  gone.users.clear();
  gone.unread = 0;
  const next = [...rooms.values()].find((one) => one.joined) ?? rooms.values().next().value;
  if (next !== gone) return switchTo(next.name);
  view.showPeople(gone, me.id);
  showRooms();
}

async function send(event) {
  event.preventDefault();
  const text = $('text').value.trim();
  if (!text || !current) return;
  if (!connection.isOpen) return view.showNotice('You are not connected right now. Your message is kept.');
  const one = current;
  $('text').value = '';
  stopTyping();
  if (!one.joined) await enter(one);
  const item = one.addPending(me.name, text);
  item.from = me.id;
  added(one, { counts: false });
  try {
    const taken = await connection.ask('message', { room: one.name, text });
    if (!one.confirm(item, taken)) view.removeItem(item);
  } catch (error) {
    if (!item.pending) return; // it had arrived all the same
    item.pending = false;
    item.fault = `Not sent. ${error.message}`;
  }
  view.refreshItem(item);
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
  $('rename-input').value = me.name;
  $('rename-error').textContent = '';
  $('rename-dialog').showModal();
  $('rename-input').select();
}

async function rename(event) {
  event.preventDefault();
  const name = $('rename-input').value.trim();
  if (!name || name === me.name) return $('rename-dialog').close();
  try {
    await connection.ask('rename', name);
  } catch (error) {
    $('rename-error').textContent = error.message;
    return;
  }
  me.name = name;
  connection.rememberName(name);
  localStorage.setItem('name', name);
  $('my-name').textContent = name;
  $('rename-dialog').close();
}

const themes = { '': 'as the system', light: 'light', dark: 'dark' };

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem('theme', theme);
  $('theme-text').textContent = `Colours: ${themes[theme]}`;
  $('theme').title = $('theme-text').textContent;
}

function nextTheme() {
  const names = Object.keys(themes);
  setTheme(names[(names.indexOf(document.documentElement.dataset.theme ?? '') + 1) % names.length]);
}

function seenAgain() {
  if (document.visibilityState !== 'visible' || !current) return;
  current.unread = 0;
  showRooms();
}

function listen() {
  $('enter').addEventListener('submit', enterChat);
  $('mode').addEventListener('change', changeMode);
  $('create').addEventListener('submit', createRoom);
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
  $('theme').addEventListener('click', nextTheme);
  $('menu').addEventListener('click', () => view.drawer('rooms-panel', 'menu', true));
  $('people-toggle').addEventListener('click', () => view.drawer('people-panel', 'people-toggle', true));
  $('shade').addEventListener('click', view.closeDrawers);
  $('state').addEventListener('click', () => $('state').dataset.state === 'off' && connection.retry());
  document.addEventListener('keydown', (event) => event.key === 'Escape' && view.closeDrawers());
  document.addEventListener('visibilitychange', seenAgain);
  setInterval(showTyping, 1_000);
}

function begin() {
  setTheme(localStorage.getItem('theme') ?? '');
  $('mode').value = localStorage.getItem('mode') ?? 'upgrade';
  $('name').value = localStorage.getItem('name') ?? '';
  view.showState('idle', 'not connected');
  if (!window.io) {
    view.showNotice('The Socket.IO client is not there. Stop the server and start it with: make run', { stay: true });
    $('enter').querySelector('button').disabled = true;
    return;
  }
  listen();
  $('name').focus();
}

begin();
