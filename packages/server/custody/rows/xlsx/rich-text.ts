/** The longest text of a cell that is kept: the longest that Excel writes. A longer one is cut, and so too long for any field. */
const TEXT_CHARS_MAX = 32_767;

const escaped = /_x([0-9a-fA-F]{4})_/g;

/** Puts the text of a string together from its runs; how they are pronounced is no part of it. */
export class RichText {
  #text = '';
  #isText = false;
  #isPronounced = false;

  begin(): void {
    this.#text = '';
    this.#isText = false;
    this.#isPronounced = false;
  }

  open(name: string): void {
    if (name === 'rPh') this.#isPronounced = true;
    if (name === 't') this.#isText = true;
  }

  close(name: string): void {
    if (name === 'rPh') this.#isPronounced = false;
    if (name === 't') this.#isText = false;
  }

  add(piece: string): void {
    if (!this.#isText || this.#isPronounced || this.#text.length >= TEXT_CHARS_MAX) return;
    this.#text += piece.slice(0, TEXT_CHARS_MAX - this.#text.length);
  }

  /** The text. `_x000D_` stands for the character of that number (ECMA-376 part 1, 22.9.2.19). */
  end(): string {
    if (!this.#text.includes('_x')) return this.#text;
    return this.#text.replace(escaped, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 16)),
    );
  }
}
