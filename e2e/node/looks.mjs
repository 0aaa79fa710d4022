// How the chat page looks, measured: what is cut off, what cannot be read, what moves; and pictures of it. They go to
// e2e/artifacts; NONSTICK_SCREENSHOTS=DIR keeps those that the documentation shows.

import assert from 'node:assert/strict';
import { copyFile, mkdir } from 'node:fs/promises';

const artifacts = new URL('../artifacts/', import.meta.url);
const kept = process.env.NONSTICK_SCREENSHOTS;

/** Takes a picture; those of the documentation are kept if they are wanted. */
export async function picture(page, name, { show = false } = {}) {
  await mkdir(artifacts, { recursive: true });
  const path = new URL(`${name}.png`, artifacts);
  await page.screenshot({ path: path.pathname });
  if (show && kept) await copyFile(path, `${kept}/${name}.png`);
}

/** Asserts that nothing is wider than the page, that no control and no text is cut off, and that controls are in sight or can be scrolled to. */
export async function fits(page, what) {
  const wrong = await page.evaluate(() => {
    const root = document.documentElement;
    const found = [];
    if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} px wide of ${root.clientWidth}`);
    const name = (element) => `${element.tagName.toLowerCase()}#${element.id}.${element.className} "${element.textContent.trim().slice(0, 30)}"`;
    const isSeen = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('.unseen, .skip');
    const isScrolled = (element) => {
      for (let at = element.parentElement; at; at = at.parentElement) if (at.scrollHeight > at.clientHeight && getComputedStyle(at).overflowY === 'auto') return true;
      return false;
    };
    for (const element of document.querySelectorAll('button, input, select, textarea, a, p, h1, h2, li, label, time, b')) {
      if (!isSeen(element) || element.getClientRects().length === 0) continue;
      const { left, right, top, bottom, width } = element.getBoundingClientRect();
      if (width <= 1) continue; // for those who do not see the page
      if (element.matches('button, input, select, textarea') && !isScrolled(element) && (top < 0 || bottom > window.innerHeight + 0.5)) {
        found.push(`${name(element)} is at ${top} to ${bottom}, from above`);
      }
      if (left < 0 || right > root.clientWidth + 0.5) found.push(`${name(element)} is at ${left} to ${right}`);
      if (element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1 && element.tagName !== 'INPUT') found.push(`${name(element)} is cut off`);
    }
    return found;
  });
  assert.deepEqual(wrong, [], what);
}

/** Asserts that each text differs enough from what is behind it: 4.5 to 1, as WCAG AA has it for text of this size. */
export async function isReadable(page, what) {
  const wrong = await page.evaluate(() => {
    const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const paint = (colours) => { // from the back to the front
      context.clearRect(0, 0, 1, 1);
      for (const colour of colours) {
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
      }
      return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = (rgb) => {
      const [r, g, b] = rgb.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = [];
    const texts = document.createTreeWalker(document.querySelector('dialog[open]') ?? document.body, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const element = text.parentElement;
      const isSeen = text.textContent.trim() && element.checkVisibility({ visibilityProperty: true }) && !element.closest('script, .unseen, [inert]');
      if (!isSeen) continue;
      const behind = [];
      for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
      const colour = getComputedStyle(element).color;
      const [a, b] = [luminance(paint(behind)), luminance(paint([...behind, colour]))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) found.push(`"${text.textContent.trim().slice(0, 30)}" in ${element.className || element.id || element.tagName}: ${ratio.toFixed(2)}`);
    }
    return found;
  });
  assert.deepEqual(wrong, [], what);
}

/** Asserts that nothing moves. */
export async function isStill(page, what) {
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0, what);
}

/** The id of what has the focus, or else its words. */
export const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  if (!element || element === document.body) return 'nothing';
  return element.id || element.dataset.room || element.textContent.trim();
});

/** Waits until an element has the focus. */
export const hasFocus = (page, id) => page.waitForFunction((wanted) => document.activeElement?.id === wanted, id);
