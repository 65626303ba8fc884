import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { base64, equal, fromBase64, hex, utf8 } from '@amanat/core/bytes';
import type { Json } from '@amanat/core/canonical';
import { CoreError } from '@amanat/core/errors';
import type { NoteKey } from '@amanat/core/log';
import {
  CompactRange,
  formatVerifierKey,
  HASH_LENGTH,
  MAX_NOTE_LENGTH,
  parseVerifierKey,
} from '@amanat/core/log';
import { integer, list, nullable, object, oneOf, text, time } from '@amanat/core/shape';
import { syncFolder, writeWhole } from '../storage/files.ts';
import type { KeptAppointed } from './appointed.ts';
import { Appointed, readAppointed } from './appointed.ts';
import type { SignedCheckpoint } from './checkpoint.ts';
import { openCheckpoint } from './checkpoint.ts';
import { AuditError } from './errors.ts';
import type { LeafCounts } from './hashing.ts';
import type { KeptOrders } from './orders.ts';
import { OrdersSeen, readOrdersSeen } from './orders.ts';
import type { KeptSeals } from './seals.ts';
import { readSealsSeen, SealsSeen } from './seals.ts';

/** Nodes of a tree's right edge: one a level. */
const HASHES_MAX = 53;
const KEY_LENGTH_MAX = 512;

const members = {
  key: text(KEY_LENGTH_MAX),
  checkpoint: text(MAX_NOTE_LENGTH),
  hashes: list(text(4 * Math.ceil(HASH_LENGTH / 3)), 0, HASHES_MAX),
  leaves: object({ personal: integer(0), public: integer(0), unknown: integer(0) }),
  changed: time,
};
const readEarlier = object({
  format: oneOf('amanat-audit/v1', 'amanat-audit/v2', 'amanat-audit/v3', 'amanat-audit/v4'),
  ...members,
});
const readV5 = object({
  format: oneOf('amanat-audit/v5'),
  ...members,
  appointed: nullable(readAppointed),
  seals: nullable(readSealsSeen),
  orders: nullable(readOrdersSeen),
});

/** What an audit remembers of a log: the last tree that it has verified, leaf by leaf. */
export interface AuditState {
  readonly checkpoint: SignedCheckpoint;
  readonly range: CompactRange;
  readonly counts: Readonly<LeafCounts>;
  /** When this tree was first seen, in milliseconds since 1970. */
  readonly changed: number;
  /** Who has to cosign and who signs, by its public entries; null in a state from before this was remembered. */
  readonly appointed: KeptAppointed | null;
  /** What is sealed; null in a state from before this was remembered. */
  readonly seals: KeptSeals | null;
  /** What is ordered of the keeper's keys; null in a state from before this was remembered. */
  readonly orders: KeptOrders | null;
}

function readState(value: Json): AuditStateText {
  const { appointed, seals, orders, ...rest } = (value ?? {}) as Readonly<Record<string, Json>>;
  if (rest.format === 'amanat-audit/v5') {
    return readV5({ ...rest, appointed, seals, orders } as Json, '');
  }
  // What they knew of who is appointed or sealed is less, and nothing of orders: it is read anew.
  return { ...readEarlier(rest, ''), appointed: null, seals: null, orders: null };
}

type AuditStateText = Omit<ReturnType<typeof readV5>, 'format'>;

/**
 * What was remembered of the log; null where nothing was. The tree in it must be the one that its checkpoint signs.
 * @throws AuditError 'bad-state'
 */
export async function loadState(path: string, key: NoteKey): Promise<AuditState | null> {
  const written = await readIfThere(path);
  if (written === null) return null;
  try {
    const state = readState(JSON.parse(written) as Json);
    const named = state.appointed === null ? [] : Appointed.from(state.appointed).logKeys;
    const given = formatVerifierKey(key);
    if (state.key !== given && !named.some((each) => each.key === given)) {
      throw new AuditError('bad-state', null, 'the state is of a log with another key');
    }
    const checkpoint = openCheckpoint(state.checkpoint, parseVerifierKey(state.key));
    const range = CompactRange.from(checkpoint.size, state.hashes.map(fromBase64));
    if (equal(range.root(), checkpoint.root)) {
      const { leaves: counts, changed, appointed, seals, orders } = state;
      // What it remembers must be what it can go on from.
      if (seals !== null) SealsSeen.from(seals);
      if (orders !== null) OrdersSeen.from(orders);
      return { checkpoint, range, counts, changed, appointed, seals, orders };
    }
  } catch (cause) {
    if (!(cause instanceof CoreError || cause instanceof SyntaxError)) throw cause;
    throw new AuditError('bad-state', null, 'the state is damaged', { cause });
  }
  throw new AuditError('bad-state', null, 'the state’s tree is not its checkpoint’s');
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as { code?: unknown }).code === 'ENOENT') return null;
    throw new AuditError('bad-state', null, 'the state cannot be read', { cause });
  }
}

/** Remembers a verified tree, durably. @throws whatever the file system throws */
export async function saveState(path: string, key: NoteKey, state: AuditState): Promise<void> {
  const { checkpoint, range, counts, changed, appointed, seals, orders } = state;
  const written = {
    format: 'amanat-audit/v5',
    key: formatVerifierKey(key),
    checkpoint: checkpoint.note,
    hashes: range.hashes().map(base64),
    leaves: counts,
    changed,
    appointed,
    seals,
    orders,
  };
  await writeDurably(path, `${JSON.stringify(written, null, 2)}\n`);
}

/**
 * Keeps checkpoints that cannot both be right, beside `path`, each under a name that is its own.
 * @returns the files' paths
 */
export async function keepEvidence(
  path: string,
  checkpoints: readonly SignedCheckpoint[],
): Promise<string[]> {
  const kept: string[] = [];
  for (const { note, size, root } of checkpoints) {
    const file = `${path}.evidence-${size}-${hex(root.subarray(0, 8))}`;
    await writeDurably(file, note);
    kept.push(file);
  }
  return kept;
}

async function writeDurably(path: string, written: string): Promise<void> {
  await writeWhole(path, utf8(written));
  await syncFolder(dirname(resolve(path)));
}
