import { fromBase64, fromUtf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { ParsedCheckpoint } from '@amanat/core/log';
import { HASH_LENGTH, parseCheckpoint, parseNote } from '@amanat/core/log';

/** Bytes that a body of add-checkpoint may have: a note of the longest kind with 30 ML-DSA-44 signatures fits. */
export const REQUEST_BYTES_MAX = 131_072;

/** Lines of a consistency proof that a client may send (tlog-witness). */
const PROOF_LINES_MAX = 63;

const OLD_SIZE = /^old (0|[1-9][0-9]{0,15})$/;

/** A checkpoint that somebody submits. Nothing of it is verified. */
export interface AddCheckpoint {
  readonly oldSize: number;
  readonly proof: readonly Uint8Array[];
  /** The signed note, as it came. */
  readonly note: string;
  readonly checkpoint: ParsedCheckpoint;
}

/** Reads a body of add-checkpoint (C2SP tlog-witness); null where it is none. Sizes go to 2^53 − 1. */
export function readAddCheckpoint(body: Uint8Array): AddCheckpoint | null {
  if (body.length > REQUEST_BYTES_MAX) return null;
  try {
    const text = fromUtf8(body);
    // The note has an empty line of its own: the first one divides.
    const end = text.indexOf('\n\n');
    const [first, ...lines] = text.slice(0, Math.max(end, 0)).split('\n', PROOF_LINES_MAX + 2);
    const oldSize = Number(OLD_SIZE.exec(first ?? '')?.[1] ?? Number.NaN);
    if (!Number.isSafeInteger(oldSize) || lines.length > PROOF_LINES_MAX) return null;
    const proof = lines.map(fromBase64);
    if (proof.some((hash) => hash.length !== HASH_LENGTH)) return null;
    const note = text.slice(end + 2);
    return { oldSize, proof, note, checkpoint: parseCheckpoint(parseNote(note).text) };
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}
