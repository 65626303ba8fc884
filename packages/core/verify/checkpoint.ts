import { CoreError } from '../errors.ts';
import type { ParsedCheckpoint } from '../log/index.ts';
import { openNoteAsync, parseCheckpoint, parseVerifierKey } from '../log/index.ts';
import { verifyNoteByWebCrypto } from './signature.ts';

/**
 * The checkpoint of a note that the log's key signed, or why there is none. The origin must be the key's name.
 * Never throws.
 */
export async function openCheckpoint(
  note: string,
  logKey: string,
): Promise<ParsedCheckpoint | 'wrong' | 'unsupported'> {
  let supported = true;
  try {
    const key = parseVerifierKey(logKey);
    const { text } = await openNoteAsync(note, [key], async (...signed) => {
      const verdict = await verifyNoteByWebCrypto(...signed);
      supported = verdict !== 'unsupported';
      return verdict === 'ok';
    });
    const checkpoint = parseCheckpoint(text);
    return checkpoint.origin === key.name ? checkpoint : 'wrong';
  } catch (error) {
    if (!(error instanceof CoreError)) throw error;
    return supported ? 'wrong' : 'unsupported';
  }
}
