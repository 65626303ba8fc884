import { base64, equal, fromUtf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import { parsePublicKey, verify } from '@amanat/core/keys';
import type { Checkpoint, NoteKey } from '@amanat/core/log';
import { openNote, parseCheckpoint } from '@amanat/core/log';
import type { Finding } from './errors.ts';
import { AuditError } from './errors.ts';
import type { LogSource } from './source.ts';
import { CHECKPOINT } from './source.ts';

/** A checkpoint that the log's key signed, and the note that shows it. */
export interface SignedCheckpoint extends Checkpoint {
  readonly note: string;
}

/**
 * Opens a checkpoint's note with the log's key, whose name is the log's origin.
 * @throws CoreError 'bad-note', 'bad-checkpoint', 'bad-key'
 */
export function openCheckpoint(note: string, key: NoteKey): SignedCheckpoint {
  const signer = parsePublicKey(`ed25519:${base64(key.publicKey)}`);
  const { text } = openNote(note, [key], (_key, message, signature) =>
    verify(signer, message, signature),
  );
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
  try {
    return openCheckpoint(fromUtf8(bytes), key);
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
