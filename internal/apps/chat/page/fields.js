// The fields that a person types into. What is wrong with a text is said at its field, by the page or by the server, and the
// text stays there to be mended.

/** The characters of a text as the server counts them: an emoji is one or a few, not its UTF-16 units. */
export const count = (text) => [...text].length;

export class Field {
  /** id names the input; its error and its count are id-error and id-count. what is what is typed, with its article. */
  constructor(id, what, limit) {
    this.input = document.getElementById(id);
    this.error = document.getElementById(`${id}-error`);
    this.counter = document.getElementById(`${id}-count`);
    this.what = what;
    this.limit = limit;
    this.input.addEventListener('input', () => this.#typed());
  }

  get text() {
    return this.input.value.trim();
  }

  set text(text) {
    this.input.value = text;
    this.#typed();
  }

  focus() {
    this.input.focus();
  }

  /** The text if it can be sent; else an empty one, and the reason is at the field. */
  take() {
    const { text } = this;
    if (!text) this.refuse(`Please type ${this.what}.`);
    else if (count(text) > this.limit) this.refuse(this.#tooLong());
    else return text;
    return '';
  }

  /** Says at the field why its text was not taken, and leads there. */
  refuse(words) {
    this.#say(words);
    this.focus();
  }

  #typed() {
    const length = count(this.text);
    this.counter.hidden = length < 0.8 * this.limit;
    this.counter.textContent = `${length} of ${this.limit} characters`;
    this.#say(length > this.limit ? this.#tooLong() : '');
  }

  #tooLong() {
    return `This is too long: ${this.limit} characters are the limit.`;
  }

  #say(words) {
    if (this.error.textContent !== words) this.error.textContent = words; // an alert is read out at each change
    if (words) this.input.setAttribute('aria-invalid', 'true');
    else this.input.removeAttribute('aria-invalid');
  }
}
