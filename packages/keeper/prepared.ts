import { FrameError } from './frame.ts';
import type { Messages, Prepared } from './protocol.ts';

/** An entry that is ready for the log: the leaf, and what the store is to keep sealed beside it. */
export type PreparedEntry = Omit<Extract<Prepared, { number: number }>, 'bytes'> & {
  readonly leaf: Uint8Array;
  readonly body: Uint8Array;
  /** Null where no document was the ground for it. */
  readonly evidence: Uint8Array | null;
};

/** A look-up's entry, or why there is none. */
export type PreparedLookUp = PreparedEntry | Extract<Prepared, { refused: string }>;

/** The answer to `prepare`: names and lengths as JSON, all bytes in the attachment, in order. */
export function joinPrepared(lookUps: readonly PreparedLookUp[]): {
  readonly answer: Messages['prepare']['answer'];
  readonly attachment: Buffer;
} {
  const parts: Uint8Array[] = [];
  const answers = lookUps.map((each): Prepared => {
    if ('refused' in each) return each;
    const { leaf, body, evidence, ...names } = each;
    parts.push(leaf, body);
    if (evidence !== null) parts.push(evidence);
    return { ...names, bytes: [leaf.length, body.length, evidence?.length ?? null] };
  });
  return { answer: { lookUps: answers }, attachment: Buffer.concat(parts) };
}

/** The inverse of {@link joinPrepared}, as views. @throws FrameError where lengths and bytes do not agree */
export function splitPrepared(
  { lookUps }: Messages['prepare']['answer'],
  attachment: Buffer,
): readonly PreparedLookUp[] {
  let at = 0;
  const take = (length: number) => {
    if (!(Number.isSafeInteger(length) && length >= 0 && at + length <= attachment.length))
      throw new FrameError('prepared entries are cut short');
    at += length;
    return attachment.subarray(at - length, at);
  };
  const found = lookUps.map((each): PreparedLookUp => {
    if ('refused' in each) return each;
    const { bytes, ...names } = each;
    const [leaf, body, evidence] = bytes;
    return {
      ...names,
      leaf: take(leaf),
      body: take(body),
      evidence: evidence === null ? null : take(evidence),
    };
  });
  if (at !== attachment.length) throw new FrameError('bytes follow the last prepared entry');
  return found;
}
