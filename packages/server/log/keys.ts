import {
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { base64 } from '@amanat/core/bytes';
import type { AppointedLogKey, Signed } from '@amanat/core/grants';
import { readDocumentOrNull, signingInput } from '@amanat/core/grants';
import { sign, verifyNoteSignature } from '@amanat/core/keys';
import type { Checkpoint } from '@amanat/core/log';
import { openNote, parseCheckpoint } from '@amanat/core/log';
import { syncFolderNow } from '../storage/files.ts';
import type { LogKey } from './key.ts';
import { logKeyFile, readLogKey, signCheckpoint } from './key.ts';

/** The first key's file, and a later one's by the version of the document that names it. */
const FILE = /^log-key(?:-([1-9]\d{0,5}))?\.pem$/;
/** A key's file on its way out. */
const GONE = /^log-key.*\.pem\.gone$/;

/**
 * The keys that sign the log's checkpoints, the gateway's only long-lived secrets: one, and beside it for a while the one
 * that it follows, so that whoever reads the log has time to take the new one.
 */
export class LogKeys {
  readonly origin: string;
  readonly #directory: string;
  /** By version. */
  #held: ReadonlyMap<number, LogKey>;

  /** Reads every key that is in the log's folder. Throws as {@link readLogKey}, and where there is none. */
  constructor(directory: string, origin: string) {
    this.origin = origin;
    this.#directory = directory;
    for (const name of readdirSync(directory)) {
      if (GONE.test(name)) destroy(join(directory, name));
    }
    this.#held = readLogKeys(this.#directory, this.origin);
    if (this.#held.size === 0) throw new Error('no key of the log’s is here');
  }

  /**
   * The signed checkpoint of a tree, by all that its leaves name: one that was drawn and is not named yet signs nothing.
   * Throws where the present key is not here.
   */
  sign(tree: { size: number; root: Uint8Array }, appointed: readonly AppointedLogKey[]): string {
    const signing = [...this.#held.values()].filter((key) => placeOf(key, appointed) >= 0);
    // A log without leaves names none.
    if (appointed.length === 0) signing.push(...this.#held.values());
    const present = appointed.at(-1)?.key ?? signing[0]?.verifierKey;
    if (!signing.some(({ verifierKey }) => verifierKey === present)) {
      throw new Error('the key that signs the log is not here');
    }
    return signCheckpoint(signing, tree);
  }

  /** The tree of a checkpoint that a key of ours signed. @throws CoreError */
  open(note: string): Checkpoint {
    const keys = [...this.#held.values()].map((key) => key.note);
    return parseCheckpoint(openNote(note, keys, verifyNoteSignature).text);
  }

  /** Adds to a document that names the next key the signatures of the present one and of the next. */
  endorse(signed: Signed, appointed: readonly AppointedLogKey[]): Signed {
    const document = readDocumentOrNull(signed.document, 'log-key');
    if (document === null) return signed;
    // It was drawn since.
    this.#held = readLogKeys(this.#directory, this.origin);
    const names = [appointed.at(-1)?.key, document.key];
    const input = signingInput(signed.document);
    const signatures = [...this.#held.values()]
      .filter(({ verifierKey }) => names.includes(verifierKey))
      .map(({ signing }) => ({ key: signing.public.id, signature: base64(sign(signing, input)) }));
    return { document: signed.document, signatures: [...signed.signatures, ...signatures] };
  }

  /** Destroys, file and all, the keys that the next one has followed for as long as its document says. */
  retire(appointed: readonly AppointedLogKey[], now: number): void {
    if (this.#held.size === 1) return;
    for (const [version, key] of this.#held) {
      const place = placeOf(key, appointed);
      const next = place < 0 ? undefined : appointed[place + 1];
      if (next === undefined || now < next.bothUntil) continue;
      const file = logKeyFile(this.#directory, version);
      // A file that is half overwritten is no key, and under its own name would keep the gateway from starting.
      renameSync(file, `${file}.gone`);
      syncFolderNow(this.#directory);
      destroy(`${file}.gone`);
      this.#held = new Map([...this.#held].filter(([each]) => each !== version));
    }
  }
}

/** Whether a key of the log's is in a file of this name. */
export function isLogKeyFile(name: string): boolean {
  return FILE.test(name);
}

/** The keys in a folder by their versions, the first one first. Throws as {@link readLogKey}. */
export function readLogKeys(directory: string, origin: string): ReadonlyMap<number, LogKey> {
  const versions = readdirSync(directory).flatMap((name) => {
    const found = FILE.exec(name);
    return found === null ? [] : [Number(found[1] ?? 0)];
  });
  const read = (version: number) => readLogKey(directory, origin, version);
  return new Map(versions.toSorted((a, b) => a - b).map((each) => [each, read(each)]));
}

/** Where a key stands among those that the log names; -1 where it does not. */
function placeOf({ verifierKey }: LogKey, appointed: readonly AppointedLogKey[]): number {
  return appointed.findIndex(({ key }) => key === verifierKey);
}

/** Overwrites a file, and takes it away. What a disk keeps beneath its blocks is beyond this. */
function destroy(path: string): void {
  const file = openSync(path, 'r+');
  try {
    writeSync(file, Buffer.alloc(fstatSync(file).size), 0, null, 0);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  unlinkSync(path);
}
