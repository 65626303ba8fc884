import { createHash } from 'node:crypto';

const UINT32_SPAN = 0x1_0000_0000;
const WARM_UP_ROUNDS = 12;
const FEISTEL_ROUNDS = 6;

/** A deterministic stream of numbers (sfc32). Not for secrets: demo data only. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(a: number, b: number, c: number) {
    this.#a = a;
    this.#b = b;
    this.#c = c;
    for (let round = 0; round < WARM_UP_ROUNDS; round += 1) this.next();
  }

  /** The next whole number in 0 … 2³²−1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** A whole number in 0 … limit−1, for a limit of 1 … 2³². */
  below(limit: number): number {
    return Math.floor((this.next() / UINT32_SPAN) * limit);
  }

  /** True about `times` in `outOf`. */
  chance(times: number, outOf: number): boolean {
    return this.below(outOf) < times;
  }

  /** One member of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    const found = list[this.below(list.length)];
    if (found === undefined) throw new RangeError('nothing to pick from');
    return found;
  }
}

/** Gives each index its own independent stream, so that any person can be made without the ones before. */
export class RandomSource {
  readonly #key: readonly [number, number, number];

  constructor(seed: string, label: string) {
    const words = deriveWords(seed, label);
    this.#key = [words.readUInt32BE(0), words.readUInt32BE(4), words.readUInt32BE(8)];
  }

  at(index: number): Random {
    const [a, b, c] = this.#key;
    return new Random(a ^ mix(index), b ^ mix(index + 0x9e37_79b9), c);
  }
}

/**
 * A seeded bijection on 0 … leftSize×rightSize−1 (an alternating Feistel network that adds modulo
 * each side's size). Distinct counters give distinct numbers, so uniqueness needs no memory.
 */
export class Permutation {
  readonly size: number;
  readonly #leftSize: number;
  readonly #rightSize: number;
  readonly #keys: readonly number[];

  constructor(seed: string, label: string, leftSize: number, rightSize: number) {
    this.#leftSize = leftSize;
    this.#rightSize = rightSize;
    this.size = leftSize * rightSize;
    const words = deriveWords(seed, label);
    this.#keys = Array.from({ length: FEISTEL_ROUNDS }, (_, round) =>
      words.readUInt32BE(round * 4),
    );
  }

  /** The number that this counter stands for; throws a RangeError outside 0 … size−1. */
  at(counter: number): number {
    if (!Number.isSafeInteger(counter) || counter < 0 || counter >= this.size) {
      throw new RangeError('counter outside the permutation');
    }
    let left = Math.floor(counter / this.#rightSize);
    let right = counter % this.#rightSize;
    let turnOfLeft = true;
    for (const key of this.#keys) {
      if (turnOfLeft) left = (left + mix(right ^ key)) % this.#leftSize;
      else right = (right + mix(left ^ key)) % this.#rightSize;
      turnOfLeft = !turnOfLeft;
    }
    return left * this.#rightSize + right;
  }
}

function deriveWords(seed: string, label: string): Buffer {
  return createHash('sha256').update(`amanat demo\0${label}\0${seed}`).digest();
}

/** Murmur3's finaliser: every bit of the input moves every bit of the output. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
