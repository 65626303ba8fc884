import { equal, fromUtf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { verifyNoteSignature } from '@amanat/core/keys';
import type { Checkpoint, Cosignature, CosignerKey, NoteKey, Policy } from '@amanat/core/log';
import {
  isSatisfied,
  openCosignatures,
  openNote,
  parseCheckpoint,
  signerId,
} from '@amanat/core/log';
import type { Finding } from './errors.ts';
import { AuditError } from './errors.ts';
import type { LogSource } from './source.ts';
import { CHECKPOINT } from './source.ts';

/** The latest time that a date has (ECMAScript). */
const TIME_SECONDS_MAX = 8_640_000_000_000;

/** A checkpoint that the log's key signed, and the note that shows it. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
}

/**
 * Opens a checkpoint's note with the log's key, whose name is the log's origin.
 * @throws CoreError 'bad-note', 'bad-checkpoint', 'bad-key'
 */
export function openCheckpoint(note: string, key: NoteKey): SignedCheckpoint {
  const { text } = openNote(note, [key], verifyNoteSignature);
  const { origin, size, root } = parseCheckpoint(text);
  if (origin !== key.name) throw new CoreError('bad-checkpoint', 'checkpoint of another log');
  return { origin, size, root, note };
}

/**
 * The log's checkpoint as it is now.
 * @throws AuditError 'no-checkpoint', 'bad-checkpoint', 'unreachable', 'bad-response'
 */
export async function readCheckpoint(source: LogSource, key: NoteKey): Promise<SignedCheckpoint> {
  const bytes = await source.readCheckpoint();
  if (bytes === null) throw new AuditError('no-checkpoint', CHECKPOINT, 'the log has none');
  return open(() => openCheckpoint(fromUtf8(bytes), key));
}

/** What the witnesses of a policy say of a checkpoint. */
export interface Witnessing {
  readonly isSatisfied: boolean;
  /** When the quorum last had cosigned it, in milliseconds since 1970; null where its cosignatures do not say. */
  readonly time: number | null;
}

/**
 * What a policy's witnesses say of a checkpoint. Its time is that of the quorum, not the latest of all, so that no
 * single witness makes an old checkpoint look fresh.
 * @throws AuditError 'bad-checkpoint' for a witness's signature that is wrong
 */
export function readWitnessing({ note }: SignedCheckpoint, policy: Policy): Witnessing {
  const keys = policy.witnesses.map(({ key }) => key);
  const found = open(() => openCosignatures(note, keys, verifyNoteSignature));
  const cosigners = new Set<string>();
  for (const { key, timeSeconds } of found.toSorted((a, b) => b.timeSeconds - a.timeSeconds)) {
    cosigners.add(signerId(key));
    // A time of 0 says nothing, nor does one that no date has.
    const time = timeSeconds > TIME_SECONDS_MAX ? null : timeSeconds * 1000 || null;
    if (isSatisfied(policy, cosigners)) return { isSatisfied: true, time };
  }
  return { isSatisfied: isSatisfied(policy, cosigners), time: null };
}

/** Who of these has cosigned. One false cosignature of any of them leaves none. */
export function cosignersOf(note: string, keys: readonly CosignerKey[]): readonly Cosignature[] {
  try {
    return openCosignatures(note, keys, verifyNoteSignature);
  } catch (error) {
    if (error instanceof CoreError) return [];
    throw error;
  }
}

function open<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new AuditError('bad-checkpoint', CHECKPOINT, cause.message, { cause });
  }
}

/** Why no log can have signed both, one after the other; null where more than the two must be known. */
export function contradiction(old: Checkpoint, offered: Checkpoint): Finding | null {
  if (offered.size < old.size) return { code: 'shrunk', at: null };
  const isOtherTree = offered.size === old.size && !equal(offered.root, old.root);
  return isOtherTree ? { code: 'fork', at: null } : null;
}
