// The page's elements and how they show things. Whatever people wrote is put in by textContent only.

export const $ = (id) => document.getElementById(id);

/** Makes an element of text, never of markup. */
function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
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

/** The connection as a dot and words; kind is idle, wait, on or off. */
export function showState(kind, text) {
  $('state').dataset.state = kind;
  $('state').title = text;
  if ($('state-text').textContent !== text) $('state-text').textContent = text;
  $('send-button').disabled = kind !== 'on';
}

/** The transport in use; an empty name hides it. */
export function showTransport(name) {
  $('transport').hidden = !name;
  $('transport').textContent = name;
}

let noticeTimer;

/** A message to the reader above everything; it goes after a while unless it is to stay. */
export function showNotice(text, { stay = false } = {}) {
  clearTimeout(noticeTimer);
  $('notice').hidden = !text;
  $('notice').textContent = text;
  if (text && !stay) noticeTimer = setTimeout(() => showNotice(''), 6_000);
}

/** The list of rooms; pick(name) is called on a click. */
export function showRooms(rooms, current, pick) {
  const focused = document.activeElement?.dataset?.room;
  $('rooms').replaceChildren(...rooms.map((room) => roomItem(room, room === current, pick)));
  if (focused !== undefined) $('rooms').querySelector(`[data-room="${CSS.escape(focused)}"]`)?.focus();
  const unread = rooms.reduce((sum, room) => sum + room.unread, 0);
  $('menu-unread').hidden = unread === 0;
  $('menu-unread').textContent = unread;
  document.title = unread ? `(${unread}) Nonstick chat` : 'Nonstick chat';
}

function roomItem(room, isCurrent, pick) {
  const button = make('button', room.joined ? '' : 'away');
  button.type = 'button';
  button.dataset.room = room.name;
  button.append(make('span', '', `# ${room.name}`));
  if (isCurrent) button.setAttribute('aria-current', 'true');
  if (room.unread > 0) {
    const badge = make('span', 'badge', room.unread);
    badge.append(make('span', 'hidden', ' unread'));
    button.append(badge);
  }
  button.addEventListener('click', () => pick(room.name));
  const item = make('li');
  item.append(button);
  return item;
}

/** Everything of one room, at a switch. */
export function showRoom(room, myID) {
  $('room-name').textContent = `# ${room.name}`;
  $('text').placeholder = `Write to #${room.name}`;
  showLog(room);
  showPeople(room, myID);
}

export function showPeople(room, myID) {
  const people = [...room.users].sort(([, a], [, b]) => a.localeCompare(b));
  $('people-count').textContent = people.length;
  $('people').replaceChildren(...people.map(([id, name]) => {
    const item = make('li');
    item.append(face(name), make('span', '', id === myID ? `${name} (you)` : name));
    return item;
  }));
}

/** The whole log of a room. */
export function showLog(room) {
  const log = $('log');
  if (room.items.length === 0) {
    log.replaceChildren(make('p', 'empty', 'Nothing here yet. Say hello!'));
    return;
  }
  log.replaceChildren(...room.items.map((item, index) => logItem(item, room.items[index - 1])));
  toEnd();
}

/** Adds the last item of a room to its log; stays where the reader is, if not at the end. */
export function appendItem(room) {
  const log = $('log');
  const atEnd = isAtEnd();
  log.querySelector('.empty')?.remove();
  log.append(logItem(room.items.at(-1), room.items.at(-2)));
  while (log.childElementCount > room.items.length) log.firstElementChild.remove();
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
  element.classList.toggle('pending', Boolean(item.pending));
  element.classList.toggle('follows', follows(item, before));
  const by = make('p', 'by');
  const time = make('time', '', clock(item.at));
  by.append(make('b', '', item.name), ' ', time);
  element.append(face(item.name ?? '?'), by, make('p', 'body', item.text));
  if (item.fault) element.append(make('p', 'fault', item.fault));
  item.element = element;
  return element;
}

/** A message goes under the one before when the same person wrote both within two minutes. */
function follows(item, before) {
  if (before?.kind !== 'message' || before.name !== item.name || before.from !== item.from) return false;
  return new Date(item.at) - new Date(before.at) < 120_000;
}

function clock(at) {
  const when = new Date(at);
  return Number.isNaN(when.getTime()) ? '' : when.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

/** Shows again what has changed in an item: sent, or not taken. */
export function refreshItem(item) {
  if (!item.element?.isConnected) return;
  item.element.classList.toggle('pending', Boolean(item.pending));
  if (item.fault) item.element.append(make('p', 'fault', item.fault));
}

export function removeItem(item) {
  item.element?.remove();
}

export function showTyping(text) {
  if ($('typing').textContent !== text) $('typing').textContent = text;
}

/** Opens or closes one of the two drawers of a narrow page. */
export function drawer(panel, button, open) {
  $(panel).classList.toggle('open', open);
  $(button).setAttribute('aria-expanded', String(open));
  $('shade').hidden = !open;
}

export function closeDrawers() {
  drawer('rooms-panel', 'menu', false);
  drawer('people-panel', 'people-toggle', false);
}
