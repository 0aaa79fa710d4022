// The page's elements and how they show things. Whatever people wrote is put in by textContent only.

import { clock } from './words.js';

export const $ = (id) => document.getElementById(id);

/** Makes an element of text, never of markup. */
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Sets a text unless it is there: live regions are read out at each change. */
function put(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

/** A colour for a name, always the same. */
function hue(name) {
  let sum = 0;
  for (const char of name) sum = (sum * 31 + char.codePointAt(0)) % 4093;
  return (sum * 47) % 360;
}

function face(name) {
  const element = make('span', 'face', [...name][0]?.toUpperCase() ?? '?');
  element.style.setProperty('--hue', hue(name));
  element.setAttribute('aria-hidden', 'true');
  return element;
}

/** Goes from the entrance into the chat, or back. */
export function showChat(inside) {
  $('welcome').hidden = inside;
  for (const id of ['chat', 'menu', 'skip']) $(id).hidden = !inside;
}

export const isInside = () => !$('chat').hidden;

/** The connection in words, and by a colour; kind is idle, wait, on or off. */
export function showState({ kind, text, detail, transport }) {
  $('state').dataset.state = kind;
  $('state').dataset.transport = transport;
  put('state-text', text);
  put('state-detail', detail);
  const isTrying = kind === 'wait' || kind === 'off';
  $('retry').hidden = !isTrying;
  $('enter-progress').hidden = !isTrying;
  put('enter-progress', kind === 'off' ? `${text}. ${detail}` : text);
}

/** A message to the reader above everything, until it is closed or there is another; an empty one closes it. */
export function showNotice(text, { stay = false } = {}) {
  $('notice').hidden = !text;
  $('notice-close').hidden = stay;
  put('notice-text', text);
}

/** The list of rooms; pick(name) is called on a click. */
export function showRooms(rooms, current, pick) {
  const focused = document.activeElement?.dataset?.room;
  $('rooms').replaceChildren(...rooms.map((room) => roomItem(room, room === current, pick)));
  if (focused !== undefined) $('rooms').querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  $('menu-unread').hidden = unread === 0;
  $('menu-unread').replaceChildren(...unreadText(unread));
  document.title = unread ? `(${unread}) Nonstick chat` : 'Nonstick chat';
}

/** A count for the eye, and the word to it for who hears the page. */
const unreadText = (n) => [n > 99 ? '99+' : String(n), make('span', 'unseen', ' unread')];

function roomItem(room, isCurrent, pick) {
  const button = make('button', room.joined ? '' : 'away');
  button.type = 'button';
  button.dataset.room = room.name;
  button.append(make('span', '', `#\u00a0${room.name}`));
  if (isCurrent) button.setAttribute('aria-current', 'true');
  if (room.unread > 0) {
    const badge = make('span', 'badge');
    badge.append(...unreadText(room.unread));
    button.append(badge);
  }
  button.addEventListener('click', () => pick(room.name));
  const item = make('li');
  item.append(button);
  return item;
}

/** Everything of one room, at a switch. listed is how many people a server lists at most. */
export function showRoom(room, myID, listed) {
  put('room-name', `#\u00a0${room.name}`);
  showLog(room);
  showPeople(room, myID, listed);
}

export function showPeople(room, myID, listed) {
  const people = [...room.users].sort(([, a], [, b]) => a.localeCompare(b));
  put('people-count', people.length < listed ? String(people.length) : `${listed}+`);
  $('people').replaceChildren(...people.map(([id, name]) => {
    const item = make('li');
    item.append(face(name), make('span', '', id === myID ? `${name} (you)` : name));
    return item;
  }));
}

/** The whole log of a room. */
function showLog(room) {
  $('items').replaceChildren(...room.items.map((item, index) => logItem(item, room.items[index - 1])));
  toEnd();
}

/** Adds the last item of a room to its log; stays where the reader is, if not at the end. */
export function appendItem(room) {
  const items = $('items');
  const atEnd = isAtEnd();
  items.append(logItem(room.items.at(-1), room.items.at(-2)));
  while (items.childElementCount > room.items.length) items.firstElementChild.remove();
  if (atEnd || room.items.at(-1).mine) toEnd();
  else $('newer').hidden = false;
}

const isAtEnd = () => $('log').scrollHeight - $('log').scrollTop - $('log').clientHeight < 80;

export function toEnd() {
  $('log').scrollTop = $('log').scrollHeight;
  $('newer').hidden = true;
}

/** Hides the hint at newer messages once the reader is at the end. */
export function noticeScroll() {
  if (isAtEnd()) $('newer').hidden = true;
}

function logItem(item, before) {
  if (item.kind === 'event') return make('p', 'event', item.text);
  const element = make('article', 'message');
  element.classList.toggle('mine', Boolean(item.mine));
  element.classList.toggle('follows', follows(item, before));
  const by = make('p', 'by');
  by.append(make('b', '', item.name), ' ', make('time', '', clock(item.at)));
  element.append(face(item.name ?? '?'), by, make('p', 'body', item.text));
  item.element = element;
  showFate(item);
  return element;
}

/** What became of a message of ours: it waits for the server, or was not taken. */
function showFate(item) {
  item.element.classList.toggle('pending', Boolean(item.pending));
  item.element.querySelector('.fate')?.remove();
  if (item.fault) item.element.append(make('p', 'fate error', item.fault));
  else if (item.pending) item.element.append(make('p', 'fate', 'Sending…'));
}

/** A message goes under the one before when the same person wrote both within two minutes. */
function follows(item, before) {
  if (before?.kind !== 'message' || before.name !== item.name || before.from !== item.from) return false;
  return new Date(item.at) - new Date(before.at) < 120_000;
}

/** Shows again what has changed in an item: sent, or not taken. */
export function refreshItem(item) {
  if (item.element?.isConnected) showFate(item);
}

export function removeItem(item) {
  item.element?.remove();
}

export const showTyping = (text) => put('typing', text);
