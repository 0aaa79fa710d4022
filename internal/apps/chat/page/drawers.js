// Panels that are drawers on a narrow page: while one is open everything else is out of reach, also for the keyboard.

const focusable = 'button, input, select, textarea, a[href], [tabindex="0"]';

const isReachable = (element) => !element.disabled && element.getClientRects().length > 0 && getComputedStyle(element).visibility === 'visible';

/** Leads Tab from the last control of an element to its first one, and back, while isHolding. */
export function holdFocus(element, isHolding = () => true) {
  element.addEventListener('keydown', (event) => {
    if (event.key !== 'Tab' || !isHolding()) return;
    const all = [...element.querySelectorAll(focusable)].filter(isReachable);
    const [from, to] = event.shiftKey ? [all[0], all.at(-1)] : [all.at(-1), all[0]];
    if (document.activeElement !== from && element.contains(document.activeElement)) return;
    event.preventDefault();
    to?.focus();
  });
}

let opened = null;

export class Drawer {
  #rest = []; // what was made inert

  /** panel is the drawer, button opens it. Whether the panel is a drawer at this width the style says. */
  constructor(panel, button) {
    this.panel = document.getElementById(panel);
    this.button = document.getElementById(button);
    this.close = this.panel.querySelector('.close');
    this.button.addEventListener('click', () => this.#open());
    this.close.addEventListener('click', () => closeDrawer());
    holdFocus(this.panel, () => opened === this);
  }

  get isDrawer() {
    return getComputedStyle(this.panel).position === 'fixed';
  }

  #open() {
    closeDrawer();
    opened = this;
    this.#show(true);
    for (let at = this.panel; at !== document.body; at = at.parentElement) {
      for (const other of at.parentElement.children) {
        if (other !== at && !other.inert && !other.matches('#shade, dialog')) this.#rest.push(other);
      }
    }
    for (const other of this.#rest) other.inert = true;
    this.close.focus();
  }

  shut(giveBack) {
    for (const other of this.#rest.splice(0)) other.inert = false;
    this.#show(false);
    if (giveBack) this.button.focus();
  }

  #show(open) {
    this.panel.classList.toggle('open', open);
    this.button.setAttribute('aria-expanded', String(open));
    document.getElementById('shade').hidden = !open;
  }
}

/** Closes the drawer that is open, if one is. The focus goes back to its button, unless giveBack is false. */
export function closeDrawer({ giveBack = true } = {}) {
  const drawer = opened;
  opened = null;
  drawer?.shut(giveBack);
}

document.getElementById('shade').addEventListener('click', () => closeDrawer());
document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]')) closeDrawer(); // a dialog closes first
});
// A page that became wide shows its panels beside each other.
window.addEventListener('resize', () => opened && !opened.isDrawer && closeDrawer({ giveBack: false }));
