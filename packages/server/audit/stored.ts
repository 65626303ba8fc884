import type { ResourcePosition } from '@amanat/core/log';
import { hourStart, parseLeafOrNull, TILE_WIDTH, tilePath } from '@amanat/core/log';
import type { LogStore } from '../log/log.ts';
import { AuditError } from './errors.ts';
import { begins, PERSONAL_BYTES } from './hashing.ts';
import type { PartResult, PartTask } from './part.ts';
import { verifyPart } from './part.ts';
import type { LogFiles, LogSource } from './source.ts';
import { folderFiles, sourceOf } from './source.ts';

/** Findings that are kept of one part; the first few say enough. */
const FINDINGS_MAX = 100;

/** Bytes of a leaf about a person before its commitment. */
const COMMITMENT_START = 32;
const EQUALS = 0x3d;
const NEWLINE = 0x0a;
const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** What {@link DIGITS} says of a digit that may be the last of 32 bytes. */
const LAST_DIGIT = 2;
/** By a byte's value: 0 for no digit of base64. */
const DIGITS = new Uint8Array(256);
for (const [value, digit] of [...BASE64].entries()) {
  DIGITS[digit.charCodeAt(0)] = value % 4 === 0 ? LAST_DIGIT : 1;
}

/**
 * What is wrong with a leaf of the store, or with the published bundle of it. `leaf-out-of-place`: not there, or taken
 * for a public entry that is none, or the other way round.
 */
export type StoredCode =
  | 'bundle-missing'
  | 'bundle-differs'
  | 'leaf-malformed'
  | 'leaf-out-of-place';

/** Something wrong, and the leaf's index or the bundle's path. */
export interface StoredFinding {
  readonly code: StoredCode;
  readonly at: string | number;
}

type LeafKind = 'personal' | 'public';

/** What was seen of leaves of the store. */
export interface LeavesSeen {
  personal: number;
  public: number;
  /** When the latest hour of a leaf about a person begins, in milliseconds; 0 where there was none. */
  latestHour: number;
  readonly findings: StoredFinding[];
}

export function noneSeen(): LeavesSeen {
  return { personal: 0, public: 0, latestHour: 0, findings: [] };
}

/** Adds what was seen of further leaves. */
export function addSeen(seen: LeavesSeen, more: LeavesSeen): void {
  seen.personal += more.personal;
  seen.public += more.public;
  seen.latestHour = Math.max(seen.latestHour, more.latestHour);
  seen.findings.push(...more.findings.slice(0, FINDINGS_MAX - seen.findings.length));
}

/**
 * An instance's own log as an audit reads it: the leaves are the store's, the tiles those that it published. Each leaf
 * that is read is looked at besides, and compared with its published bundle.
 */
export class StoredLog implements LogSource {
  readonly #store: LogStore;
  readonly #published: LogSource;
  #seen = noneSeen();
  /** How the last leaf about a person that was parsed begins: most have the hour of the one before. */
  #parsed = new Uint8Array(0);

  constructor(store: LogStore, publicDirectory: string) {
    this.#store = store;
    this.#published = sourceOf(cutLong(folderFiles(publicDirectory)));
  }

  readCheckpoint(): Promise<Uint8Array | null> {
    return this.#published.readCheckpoint();
  }

  async read(position: ResourcePosition): Promise<Uint8Array | null> {
    if (position.level !== 'entries') return this.#published.read(position);
    const from = position.index * TILE_WIDTH;
    const bundle = this.look(from, Math.min(from + position.width, this.#store.size()));
    if (bundle === null) return null;
    const published = await this.#published.read(position);
    if (published === null) this.#find('bundle-missing', tilePath(position));
    // By the system: byte by byte it would take longer than to read both.
    else if (Buffer.compare(published, bundle) !== 0) {
      this.#find('bundle-differs', tilePath(position));
    }
    return bundle;
  }

  /** Looks at leaves of the store, at most a bundle's, and gives that bundle; null for no leaves. */
  look(from: number, to: number): Uint8Array | null {
    if (to <= from) return null;
    const { bytes, count, publicAt } = this.#store.bundle(from, to);
    const taken = new Set(publicAt);
    if (count === to - from) {
      for (let index = from, at = 0; index < to; index++) {
        const start = at + 2;
        at = start + (bytes[at] as number) * 256 + (bytes[at + 1] as number);
        this.#lookAt(index, this.#kindOf(bytes, start, at), taken.has(index));
      }
    } else {
      // One is missing or too long for a bundle: which, they show one by one.
      for (let index = from; index < to; index++) {
        const [leaf] = this.#store.leaves(index, index + 1);
        if (leaf === undefined) this.#find('leaf-out-of-place', index);
        else this.#lookAt(index, this.#kindOf(leaf, 0, leaf.length), taken.has(index));
      }
    }
    return bytes;
  }

  /** What was seen since this was last asked. */
  takeSeen(): LeavesSeen {
    const seen = this.#seen;
    this.#seen = noneSeen();
    // An hour that was parsed before is no hour of what is seen next.
    this.#parsed = new Uint8Array(0);
    return seen;
  }

  #lookAt(index: number, kind: LeafKind | null, isTakenForPublic: boolean): void {
    if (kind === null) this.#find('leaf-malformed', index);
    else this.#seen[kind] += 1;
    // What is said of a person must not have been taken for a public entry, nor the other way round.
    if ((kind === 'public') !== isTakenForPublic) this.#find('leaf-out-of-place', index);
  }

  /** What a leaf is about; null for what is none. */
  #kindOf(bytes: Uint8Array, start: number, end: number): LeafKind | null {
    // Parsing takes longer than hashing.
    const hasHour = this.#parsed.length > 0 && begins(bytes, start, end, this.#parsed);
    if (hasHour && endsWithCommitment(bytes, start, end)) return 'personal';
    const leaf = parseLeafOrNull(bytes.subarray(start, end));
    if (leaf === null || leaf.kind === 'public') return leaf && 'public';
    if (leaf.kind === 'person') this.#parsed = bytes.slice(start, start + COMMITMENT_START);
    const hour = hourStart(leaf.hour);
    this.#seen.latestHour = Math.max(this.#seen.latestHour, hour);
    return 'personal';
  }

  #find(code: StoredCode, at: string | number): void {
    if (this.#seen.findings.length < FINDINGS_MAX) this.#seen.findings.push({ code, at });
  }
}

/** Whether what stands behind a leaf's hour is a commitment, in the one way in which it is written. */
function endsWithCommitment(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== PERSONAL_BYTES) return false;
  for (let i = start + COMMITMENT_START; i < end - 3; i++) {
    if (DIGITS[bytes[i] as number] === 0) return false;
  }
  const last = DIGITS[bytes[end - 3] as number];
  return last === LAST_DIGIT && bytes[end - 2] === EQUALS && bytes[end - 1] === NEWLINE;
}

/** What a part of an instance's own log came to. */
export interface StoredPartResult extends PartResult {
  readonly seen: LeavesSeen;
}

/** Verifies a part as `verifyPart` does, and gives what was seen of its leaves besides. One part at a time. */
export async function verifyStoredPart(log: StoredLog, task: PartTask): Promise<StoredPartResult> {
  const result = await verifyPart(log, task);
  return { ...result, seen: log.takeSeen() };
}

/** A file that is longer than any can be is one that differs. */
function cutLong(files: LogFiles): LogFiles {
  return {
    async read(path, bytesMax) {
      try {
        return await files.read(path, bytesMax);
      } catch (error) {
        if (error instanceof AuditError && error.code === 'bad-response') return new Uint8Array(0);
        throw error;
      }
    },
  };
}
