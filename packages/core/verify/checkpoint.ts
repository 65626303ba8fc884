import { CoreError } from '../errors.ts';
import type { ParsedCheckpoint } from '../log/index.ts';
import { openNoteAsync, parseCheckpoint, parseNote, parseVerifierKey } from '../log/index.ts';
import type { SignatureVerdict } from './signature.ts';
import { verifyNoteByWebCrypto } from './signature.ts';

/** A checkpoint as it came, and whether the log's key signed it. Only with 'ok' may anyone believe it. */
export interface OpenedCheckpoint {
  readonly signature: SignatureVerdict;
  /** What it says of itself; null where it is no checkpoint. */
  readonly checkpoint: ParsedCheckpoint | null;
}

/** Opens a checkpoint with the log's verifier key, whose name must be the origin. Never throws. */
export async function openCheckpoint(note: string, logKey: string): Promise<OpenedCheckpoint> {
  let checkpoint: ParsedCheckpoint | null = null;
  let signature = 'wrong' as SignatureVerdict;
  try {
    checkpoint = parseCheckpoint(parseNote(note).text);
    const key = parseVerifierKey(logKey);
    await openNoteAsync(note, [key], async (...signed) => {
      signature = await verifyNoteByWebCrypto(...signed);
      return signature === 'ok';
    });
    return { checkpoint, signature: checkpoint.origin === key.name ? signature : 'wrong' };
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    return { checkpoint, signature: signature === 'ok' ? 'wrong' : signature };
  }
}
