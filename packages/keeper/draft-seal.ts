import type { KeyObject } from 'node:crypto';
import { fromUtf8, utf8 } from '@amanat/core/bytes';
import { encodeNames, open, SEAL_NONCE_BYTES, seal } from '@amanat/core/keys';
import { sha256 } from './hash.ts';

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

  /**
   * @param id the look-up's, so that no draft passes for another's.
   * @param evidence what stands beside the draft, so that it is no other either.
   */
  seal(id: number, draft: object, evidence: Uint8Array | null): Buffer {
    const text = utf8(JSON.stringify(draft));
    return seal(this.#key, text, aadOf(id, evidence), this.#random(SEAL_NONCE_BYTES));
  }

  /** @throws CoreError 'bad-ciphertext' where it was sealed for no such look-up, or beside other evidence */
  open(id: number, sealed: Uint8Array, evidence: Uint8Array | null): unknown {
    return JSON.parse(fromUtf8(open(this.#key, sealed, aadOf(id, evidence))));
  }
}

function aadOf(id: number, evidence: Uint8Array | null): Uint8Array {
  return encodeNames('draft', String(id), evidence === null ? '' : sha256(evidence));
}
