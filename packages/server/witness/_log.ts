import { base64, concat, utf8 } from '@amanat/core/bytes';
import type { CosigningKey, SigningKey } from '@amanat/core/keys';
import { cosign, generateCosigningKey, generateSigningKey, sign } from '@amanat/core/keys';
import type { NoteKey, NoteSignature } from '@amanat/core/log';
import {
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  noteKey,
  noteMessage,
} from '@amanat/core/log';
import { plainConsistency, plainLeaf, plainRoot } from '../../core/log/_tree.ts';

/** A log as a witness sees it: trees of leaves that the test names, and a key that signs whatever it is told to. */
export class SimulatedLog {
  readonly origin: string;
  readonly note: NoteKey;
  readonly #signing: SigningKey;
  readonly #leaves: Uint8Array[] = [];
  readonly #roots = new Map<number, Uint8Array>();
  readonly #seed: string;

  constructor(origin: string, { seed = 'leaf', signing = generateSigningKey('ed25519') } = {}) {
    this.origin = origin;
    this.#signing = signing;
    this.#seed = seed;
    const { text } = signing.public;
    this.note = noteKey(origin, Buffer.from(text.slice('ed25519:'.length), 'base64'));
  }

  get verifierKey(): string {
    return formatVerifierKey(this.note);
  }

  /** The same key over another tree, which has the first `from` leaves of this one. */
  fork(from: number): SimulatedLog {
    const fork = new SimulatedLog(this.origin, { seed: 'fork', signing: this.#signing });
    fork.#leaves.push(...this.leaves(from));
    return fork;
  }

  leaves(size: number): readonly Uint8Array[] {
    while (this.#leaves.length < size)
      this.#leaves.push(plainLeaf(utf8(`${this.#seed} ${this.#leaves.length}`)));
    return this.#leaves.slice(0, size);
  }

  root(size: number): Uint8Array {
    const root = this.#roots.get(size) ?? plainRoot(this.leaves(size));
    this.#roots.set(size, root);
    return root;
  }

  /** A checkpoint's text. */
  head(size: number, root = this.root(size)): string {
    return formatCheckpoint({ origin: this.origin, size, root });
  }

  signature(text: string): NoteSignature {
    return { key: this.note, signature: sign(this.#signing, noteMessage(text)) };
  }

  checkpoint(size: number): string {
    const text = this.head(size);
    return formatNote(text, [this.signature(text)]);
  }

  proof(from: number, to: number): Uint8Array[] {
    return from === 0 || from >= to ? [] : plainConsistency(this.leaves(to), from);
  }

  /** A body of add-checkpoint; what is given replaces what an honest log would send. */
  request(
    from: number,
    to: number,
    { proof = this.proof(from, to), checkpoint = this.checkpoint(to) } = {},
  ): string {
    return requestOf(from, proof, checkpoint);
  }
}

/** A body of add-checkpoint. */
export function requestOf(
  oldSize: number | string,
  proof: readonly Uint8Array[],
  checkpoint: string,
): string {
  return [`old ${oldSize}`, ...proof.map(base64), '', checkpoint].join('\n');
}

/** A log that signs with ML-DSA-44, as `SimulatedLog` with another key. */
export class QuantumSafeLog extends SimulatedLog {
  readonly #cosigning: CosigningKey;

  constructor(origin: string) {
    super(origin);
    this.#cosigning = generateCosigningKey('ml-dsa-44', origin);
  }

  override get verifierKey(): string {
    return formatVerifierKey(this.#cosigning.public);
  }

  override signature(text: string): NoteSignature {
    return cosign(this.#cosigning, text, 1);
  }
}

/** A copy with one bit flipped. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = concat(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}
