/** Nothing is said about work that is done within this time. */
const QUIET_MS = 1000;
/** How often a terminal is rewritten, and how often a line is added to anything else. */
const TERMINAL_MS = 200;
const LINE_MS = 3000;

/** What is counted. */
export type Unit = 'bytes' | 'rows' | 'leaves' | 'cards' | 'requests';

/** Where progress is written. */
export interface ProgressStream {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Says how far a piece of work is, on standard error: nothing in its first second, then one line that is rewritten on a
 * terminal, or a line every few seconds elsewhere.
 */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #label: string;
  readonly #unit: Unit;
  readonly #now: () => number;
  readonly #started: number;
  #last = 0;
  #shown = false;

  /** @param label what is being done, such as 'importing'. */
  constructor(
    stream: ProgressStream,
    { label, unit, now }: { label: string; unit: Unit; now: () => number },
  ) {
    this.#stream = stream;
    this.#label = label;
    this.#unit = unit;
    this.#now = now;
    this.#started = now();
  }

  /** Tells how many of how many, where that is known. */
  at(done: number, total: number | null = null): void {
    const now = this.#now();
    const wait = this.#stream.isTTY === true ? TERMINAL_MS : LINE_MS;
    if (now - this.#started < QUIET_MS || now - this.#last < wait) return;
    this.#last = now;
    const share = total === null ? '' : ` of ${this.#format(total)}`;
    this.#show(`${this.#format(done)}${share} ${this.#unitName}`);
  }

  /** Ends the line. Says nothing where nothing was said before. */
  end(done: number): void {
    if (!this.#shown) return;
    const seconds = (this.#now() - this.#started) / 1000;
    this.#show(`${this.#format(done)} ${this.#unitName} in ${seconds.toFixed(1)} s`);
    if (this.#stream.isTTY === true) this.#stream.write('\n');
  }

  get #unitName(): string {
    return this.#unit === 'bytes' ? 'MB' : this.#unit;
  }

  #format(value: number): string {
    return this.#unit === 'bytes' ? (value / 1e6).toFixed(1) : format(value);
  }

  #show(text: string): void {
    this.#shown = true;
    const line = `  ${this.#label}: ${text}`;
    this.#stream.write(this.#stream.isTTY === true ? `\r\u001b[K${line}` : `${line}\n`);
  }
}

/** A number with its thousands apart. */
export function format(value: number): string {
  return value.toLocaleString('en-US');
}
