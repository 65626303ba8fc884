import { drain, tooLarge } from './parts.ts';
import { RichText } from './rich-text.ts';
import type { Zip } from './zip.ts';

/** The most texts that cells may share, and the most bytes of all of them in UTF-8. */
const STRINGS_MAX = 8_000_000;
const STRINGS_BYTES_MAX = 128 * 1024 * 1024;
const FIRST_BYTES = 64 * 1024;

/**
 * The texts that a workbook's cells share. They stand in one piece of memory, because as many strings of their own would
 * take several times as much.
 */
export class SharedStrings {
  #bytes = Buffer.alloc(FIRST_BYTES);
  #used = 0;
  /** Where each ends. */
  #ends = new Uint32Array(FIRST_BYTES);
  #count = 0;

  /** @throws WorkbookError */
  static async read(zip: Zip, part: string | null): Promise<SharedStrings> {
    const strings = new SharedStrings();
    if (part === null) return strings;
    const text = new RichText();
    await drain(zip, part, {
      open(name) {
        if (name === 'si') text.begin();
        else text.open(name);
      },
      close(name) {
        if (name === 'si') strings.#add(text.end());
        else text.close(name);
      },
      text: (piece) => text.add(piece),
    });
    return strings;
  }

  /** The text at a place; undefined where there is none. */
  at(index: number): string | undefined {
    if (!(index >= 0 && index < this.#count)) return undefined;
    const start = index === 0 ? 0 : (this.#ends[index - 1] as number);
    return this.#bytes.toString('utf8', start, this.#ends[index]);
  }

  /** Whether there is a text at a place, and it is blank. */
  isBlank(index: number): boolean {
    const start = index === 0 ? 0 : this.#ends[index - 1];
    return index < this.#count && this.#ends[index] === start;
  }

  #add(whole: string): void {
    // To every field what is blank is nothing.
    const text = whole.trim() === '' ? '' : whole;
    const size = Buffer.byteLength(text);
    if (this.#count === STRINGS_MAX || this.#used + size > STRINGS_BYTES_MAX) throw tooLarge();
    if (this.#used + size > this.#bytes.length) {
      const grown = Buffer.alloc(Math.max(this.#used + size, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, this.#used);
      this.#bytes = grown;
    }
    if (this.#count === this.#ends.length) {
      const grown = new Uint32Array(this.#count * 2);
      grown.set(this.#ends);
      this.#ends = grown;
    }
    this.#used += this.#bytes.write(text, this.#used, 'utf8');
    this.#ends[this.#count++] = this.#used;
  }
}
