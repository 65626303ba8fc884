import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
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
import { syncFolderNow } from '../storage/files.ts';

const KEY_BYTES_MAX = 4096;

/** A key that signs the log's checkpoints. */
export interface LogKey {
  readonly note: NoteKey;
  /** As C2SP signed-note writes it; it stands in the log's first entry, or in the one that names it. */
  readonly verifierKey: string;
  readonly signing: SigningKey;
}

/** Where the key is that a log's `version`th document of its kind names; 0 is the first, which the genesis does. */
export function logKeyFile(directory: string, version: number): string {
  return join(directory, version === 0 ? 'log-key.pem' : `log-key-${version}.pem`);
}

/** Draws a key of the log's and writes it under the log's folder, its owner's alone. Throws where there is one already. */
export function createLogKey(directory: string, origin: string, version = 0): LogKey {
  const signing = generateSigningKey('ed25519');
  const path = logKeyFile(directory, version);
  // Under another name first: half a key, of a full disk or a crash, would keep the log shut at its next start.
  const draft = `${path}.new`;
  try {
    const file = openSync(draft, 'w', 0o600);
    try {
      writeSync(file, exportSigningKey(signing));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    linkSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  // The log names it next, for good: its file must not be gone after a power cut.
  syncFolderNow(directory);
  return toLogKey(signing, origin);
}

/** Reads a key of the log's. Throws where it is missing, malformed, or open to other users of the machine. */
export function readLogKey(directory: string, origin: string, version = 0): LogKey {
  const file = openSync(logKeyFile(directory, version), 'r');
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & 0o077) !== 0) throw new Error('the log’s key is open to other users: chmod 600 it');
    if (size > KEY_BYTES_MAX) throw new Error('the log’s key is not a key');
    return toLogKey(importSigningKey(readFileSync(file, 'utf8')), origin);
  } finally {
    closeSync(file);
  }
}

/** The signed checkpoint of a tree (C2SP tlog-checkpoint), by one key or by several of one log. */
export function signCheckpoint(
  keys: LogKey | readonly LogKey[],
  tree: { size: number; root: Uint8Array },
): string {
  const all = 'signing' in keys ? [keys] : keys;
  const [first] = all;
  if (first === undefined) throw new Error('no key of the log’s is here');
  const text = formatCheckpoint({ origin: first.note.name, ...tree });
  const message = noteMessage(text);
  const signatures = all.map(({ note, signing }) => ({
    key: note,
    signature: sign(signing, message),
  }));
  return formatNote(text, signatures);
}

function toLogKey(signing: SigningKey, origin: string): LogKey {
  const { kind, text } = signing.public;
  if (kind !== 'ed25519') throw new Error('the log’s key is not ed25519');
  const note = noteKey(origin, fromBase64(text.slice('ed25519:'.length)));
  return { note, verifierKey: formatVerifierKey(note), signing };
}
