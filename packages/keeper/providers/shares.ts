import { randomBytes } from 'node:crypto';
import { equal, fromHex, hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { RootShare } from '@amanat/core/keys';
import {
  combineShares,
  makeShares,
  parseShare,
  secretKey,
  shareCommitment,
} from '@amanat/core/keys';
import { Refusal } from '../refusal.ts';
import type { Root, SharesPlace } from './root.ts';
import { rootInMemory } from './root.ts';

const ROOT_BYTES = 32;
const CEREMONY_BYTES = 8;
/** Wrong ones that are looked at before the process has to be started again. */
const WRONG_MAX = 64;

/** Draws a root key and shares it out. The key is kept nowhere: enough of the shares give it back. */
export function drawShares(options: {
  readonly threshold: number;
  readonly count: number;
  readonly isRehearsal: boolean;
}): { readonly place: SharesPlace; readonly shares: readonly RootShare[] } {
  const { threshold, count, isRehearsal } = options;
  const key = randomBytes(ROOT_BYTES);
  const ceremony = hex(randomBytes(CEREMONY_BYTES));
  const shares = makeShares(key, { threshold, count }, randomBytes).map((share) => ({
    ...share,
    isRehearsal,
    ceremony,
    threshold,
    count,
  }));
  key.fill(0);
  const commitments = shares.map(shareCommitment);
  return { place: { provider: 'shares', ceremony, threshold, commitments }, shares };
}

/** Takes a root's shares one by one, in any order, until there are enough. */
export class Shares {
  readonly #place: SharesPlace;
  readonly #given = new Map<number, RootShare>();
  #wrong = 0;

  constructor(place: SharesPlace) {
    this.#place = place;
  }

  /** In which ceremony a share says that it was drawn. @throws Refusal 'bad-share' */
  static ceremonyOf(typed: string): string {
    const { ceremony, value } = read(typed);
    value.fill(0);
    return ceremony;
  }

  /** Which have been given, in order. */
  get given(): readonly number[] {
    return [...this.#given.keys()].sort((a, b) => a - b);
  }

  get isEnough(): boolean {
    return this.#given.size >= this.#place.threshold;
  }

  get isAll(): boolean {
    return this.#given.size === this.#place.commitments.length;
  }

  /**
   * Takes a share as its custodian typed it. One that was given before is taken again.
   * @throws Refusal 'bad-share', 'another-ceremony', 'wrong-share', which names its number, 'too-many-attempts'
   */
  give(typed: string): void {
    if (this.#wrong >= WRONG_MAX) {
      throw new Refusal('too-many-attempts', 'too many wrong shares: start the keeper again');
    }
    try {
      const share = this.#check(typed);
      this.#given.set(share.index, share);
    } catch (error) {
      this.#wrong += 1;
      throw error;
    }
  }

  /** The root of the shares given, which are wiped. There have to be enough of them. */
  combine(): Root {
    if (!this.isEnough) throw new Error('too few shares are given');
    const some = [...this.#given.values()].slice(0, this.#place.threshold);
    const key = combineShares(some);
    const root = rootInMemory(secretKey(key), randomBytes);
    key.fill(0);
    this.forget();
    return root;
  }

  /** Wipes what was given. */
  forget(): void {
    for (const { value } of this.#given.values()) value.fill(0);
    this.#given.clear();
  }

  #check(typed: string): RootShare {
    const share = read(typed);
    if (share.ceremony !== this.#place.ceremony) {
      throw new Refusal('another-ceremony', 'the share is of another ceremony');
    }
    const committed = this.#place.commitments[share.index - 1];
    if (committed === undefined || !equal(fromHex(shareCommitment(share)), fromHex(committed))) {
      throw new Refusal('wrong-share', `share ${share.index} is not the one that was drawn`);
    }
    return share;
  }
}

function read(typed: string): RootShare {
  try {
    return parseShare(typed);
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new Refusal('bad-share', cause.message, { cause });
  }
}
