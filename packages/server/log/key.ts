import { closeSync, fstatSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fromBase64 } from '@amanat/core/bytes';
import type { SigningKey } from '@amanat/core/keys';
import { exportSigningKey, generateSigningKey, importSigningKey, sign } from '@amanat/core/keys';
import type { NoteKey } from '@amanat/core/log';
import {
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  noteKey,
  noteMessage,
} from '@amanat/core/log';

const FILE = 'log-key.pem';
const KEY_BYTES_MAX = 4096;

/** The key that signs the log's checkpoints: the gateway's one long-lived secret. */
export interface LogKey {
  readonly note: NoteKey;
  /** As C2SP signed-note writes it; it stands in the log's first entry. */
  readonly verifierKey: string;
  readonly signing: SigningKey;
}

/** Draws the log's key and writes it under the log's folder, its owner's alone. Throws where there is one already. */
export function createLogKey(directory: string, origin: string): LogKey {
  const signing = generateSigningKey('ed25519');
  const file = openSync(join(directory, FILE), 'wx', 0o600);
  try {
    writeSync(file, exportSigningKey(signing));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return toLogKey(signing, origin);
}

/** Reads the log's key. Throws where it is missing, malformed, or open to other users of the machine. */
export function readLogKey(directory: string, origin: string): LogKey {
  const file = openSync(join(directory, FILE), 'r');
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & 0o077) !== 0) throw new Error('the log’s key is open to other users: chmod 600 it');
    if (size > KEY_BYTES_MAX) throw new Error('the log’s key is not a key');
    return toLogKey(importSigningKey(readFileSync(file, 'utf8')), origin);
  } finally {
    closeSync(file);
  }
}

/** The signed checkpoint of a tree (C2SP tlog-checkpoint). */
export function signCheckpoint(key: LogKey, tree: { size: number; root: Uint8Array }): string {
  const text = formatCheckpoint({ origin: key.note.name, ...tree });
  const signature = sign(key.signing, noteMessage(text));
  return formatNote(text, [{ key: key.note, signature }]);
}

function toLogKey(signing: SigningKey, origin: string): LogKey {
  const { kind, text } = signing.public;
  if (kind !== 'ed25519') throw new Error('the log’s key is not ed25519');
  const note = noteKey(origin, fromBase64(text.slice('ed25519:'.length)));
  return { note, verifierKey: formatVerifierKey(note), signing };
}
