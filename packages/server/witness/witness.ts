import { createHash } from 'node:crypto';
import { equal } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { CosigningKey } from '@amanat/core/keys';
import { cosign, verifyNoteSignature } from '@amanat/core/keys';
import type { Checkpoint, KnownSignature, PolicyLog } from '@amanat/core/log';
import {
  emptyRoot,
  formatNote,
  openSignatures,
  parseNote,
  signerId,
  verifyConsistency,
} from '@amanat/core/log';
import type { WitnessRefusal } from './errors.ts';
import { WitnessError } from './errors.ts';
import type { AddCheckpoint } from './request.ts';
import { readAddCheckpoint } from './request.ts';
import type { CosignedHead, WitnessStore } from './store.ts';

export type { WitnessRefusal } from './errors.ts';
export { refusals } from './errors.ts';
export type { WitnessFolder } from './folder.ts';
export { createWitnessFolder, openWitnessFolder } from './folder.ts';
export { REQUEST_BYTES_MAX } from './request.ts';

/** What came of a submitted checkpoint. */
export type WitnessAnswer =
  /** Signature lines, one a key of the witness. */
  | { readonly code: 'cosigned'; readonly lines: string }
  /** The old size was not that of the head last cosigned, which this is. */
  | { readonly code: 'other-size'; readonly size: number }
  | { readonly code: WitnessRefusal };

/** A log signed two roots for one size: the checkpoint that shows it, against the one that was cosigned. */
export interface Fork {
  readonly origin: string;
  readonly held: string;
  readonly submitted: string;
}

export interface WitnessDeps {
  /** At least one; each cosigns every checkpoint. */
  readonly keys: readonly CosigningKey[];
  readonly logs: readonly PolicyLog['key'][];
  readonly store: WitnessStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onFork?: (fork: Fork) => void;
}

type LogSignature = KnownSignature<1 | 6>;

/**
 * A witness (C2SP tlog-witness): cosigns a log's checkpoint once it has seen that the tree extends the one it cosigned
 * last, and has made that durable. It never cosigns a smaller tree, nor two roots for one size.
 */
export class Witness {
  readonly #deps: WitnessDeps;
  /** Keys of each origin: a log that changes its key has two for a while. */
  readonly #logs = new Map<string, PolicyLog['key'][]>();
  /** Origins by their SHA-256 in hexadecimal. */
  readonly #origins = new Map<string, string>();
  /** Origins of which a fork was told: whoever sends it again does not fill our lines. */
  readonly #forked = new Set<string>();

  constructor(deps: WitnessDeps) {
    this.#deps = deps;
    for (const key of deps.logs) {
      const known = this.#logs.get(key.name) ?? [];
      const same = known.find((each) => signerId(each) === signerId(key));
      if (same !== undefined) {
        if (equal(same.publicKey, key.publicKey)) continue;
        throw new WitnessError('bad-settings', 'two keys of a log have one name and id');
      }
      this.#logs.set(key.name, [...known, key]);
      this.#origins.set(createHash('sha256').update(key.name).digest('hex'), key.name);
    }
  }

  /** Judges a body of add-checkpoint, in the specification's order. Synchronous: one at a time. @throws StorageError */
  addCheckpoint(body: Uint8Array): WitnessAnswer {
    const request = readAddCheckpoint(body);
    if (request === null) return { code: 'malformed' };
    const { origin, size } = request.checkpoint;
    const keys = this.#logs.get(origin);
    if (keys === undefined) return { code: 'unknown-log' };
    const signatures = verifiedSignatures(request.note, keys);
    if (signatures.length === 0) return { code: 'not-signed' };
    if (request.oldSize > size) return { code: 'old-size-larger' };
    return this.#deps.store.atomically(() => this.#advance(request, signatures));
  }

  /** The latest checkpoint cosigned for the origin of this SHA-256, in hexadecimal; null where there is none. */
  latest(originHash: string): string | null {
    const origin = this.#origins.get(originHash);
    return origin === undefined ? null : (this.#deps.store.latest(origin)?.note ?? null);
  }

  #advance(request: AddCheckpoint, signatures: readonly LogSignature[]): WitnessAnswer {
    const { keys, store, now, onFork } = this.#deps;
    const { origin, size, root } = request.checkpoint;
    const held = store.latest(origin);
    const heldSize = held?.size ?? 0;
    if (request.oldSize !== heldSize) return { code: 'other-size', size: heldSize };
    const refusal = judge(held, request);
    const { text } = parseNote(request.note);
    // Only what was verified is handed on: a line that nobody checked could be made to look like ours.
    if (refusal === 'forked' && held !== null && !this.#forked.has(origin)) {
      this.#forked.add(origin);
      onFork?.({ origin, held: held.note, submitted: formatNote(text, signatures) });
    }
    if (refusal !== null) return { code: refusal };
    const timeSeconds = Math.floor(now() / 1000);
    if (!(timeSeconds > 0)) throw new Error('a witness signs with a time');
    const cosignatures = keys.map((key) => cosign(key, text, timeSeconds));
    store.put(origin, { size, root, note: formatNote(text, [...signatures, ...cosignatures]) });
    return {
      code: 'cosigned',
      lines: formatNote(text, cosignatures).slice(text.length + 1),
    };
  }
}

/** The signatures by the log's keys; none where a line that names one of them does not verify. */
function verifiedSignatures(note: string, keys: readonly PolicyLog['key'][]): LogSignature[] {
  try {
    return openSignatures(note, keys, verifyNoteSignature);
  } catch (error) {
    if (error instanceof CoreError) return [];
    throw error;
  }
}

/** Whether the new tree extends what was cosigned last, whose size is the old size. */
function judge(
  held: CosignedHead | null,
  { oldSize, proof, checkpoint }: AddCheckpoint,
): 'inconsistent' | 'forked' | null {
  const { size, root }: Checkpoint = checkpoint;
  if (size === 0 && !equal(root, emptyRoot())) return 'inconsistent';
  // Every tree extends the one without leaves, and no proof could show it.
  if (held === null || oldSize === 0) return proof.length === 0 ? null : 'inconsistent';
  if (size === oldSize && !equal(root, held.root)) return 'forked';
  const claim = { oldSize, newSize: size, oldRoot: held.root, newRoot: root, proof };
  return verifyConsistency(claim) ? null : 'inconsistent';
}
