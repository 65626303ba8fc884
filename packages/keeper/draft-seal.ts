import type { KeyObject } from 'node:crypto';
import { fromUtf8, utf8 } from '@amanat/core/bytes';
import { encodeNames, open, SEAL_NONCE_BYTES, seal } from '@amanat/core/keys';

/**
 * Seals drafts for keeper.db. What SQLite deletes stands in its journal for a while: agency, purpose, and the hash that
 * entries of one document share must not be read there without the root key.
 */
export class DraftSeal {
  readonly #key: KeyObject;
  readonly #random: (bytes: number) => Uint8Array;

  constructor(key: KeyObject, random: (bytes: number) => Uint8Array) {
    this.#key = key;
    this.#random = random;
  }

  /** @param id the look-up's, so that no draft passes for another's. */
  seal(id: number, draft: object): Buffer {
    const text = utf8(JSON.stringify(draft));
    return seal(this.#key, text, nameOf(id), this.#random(SEAL_NONCE_BYTES));
  }

  /** @throws CoreError 'bad-ciphertext' where it was sealed for no such look-up */
  open(id: number, sealed: Uint8Array): unknown {
    return JSON.parse(fromUtf8(open(this.#key, sealed, nameOf(id))));
  }
}

function nameOf(id: number): Uint8Array {
  return encodeNames('draft', String(id));
}
