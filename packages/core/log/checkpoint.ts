import { base64, fromBase64 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { HASH_LENGTH, isTreeSize } from './merkle.ts';

/** Characters a checkpoint's text may have, extension lines included. */
export const MAX_CHECKPOINT_LENGTH = 16_384;

const TREE_SIZE = /^(?:0|[1-9][0-9]{0,15})$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a signed note forbids these
const FORBIDDEN_IN_LINE = /[\u0000-\u001f\p{Cs}]/u;

/** The head of a log: which log, how many leaves, and the root over them. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** A checkpoint as it was read. */
export interface ParsedCheckpoint extends Checkpoint {
  /** Opaque lines behind the root, which nobody audits. Amanat writes none and gives them no meaning. */
  readonly extensions: readonly string[];
}

/** The text of a checkpoint, to be signed as a note (C2SP tlog-checkpoint). Throws `bad-checkpoint`. */
export function formatCheckpoint({ origin, size, root }: Checkpoint): string {
  if (origin.length === 0 || FORBIDDEN_IN_LINE.test(origin) || !isTreeSize(size)) {
    throw new CoreError('bad-checkpoint', 'not a head of a log');
  }
  if (root.length !== HASH_LENGTH) throw new CoreError('bad-checkpoint', 'a root has 32 bytes');
  const text = `${origin}\n${size}\n${base64(root)}\n`;
  if (text.length > MAX_CHECKPOINT_LENGTH)
    throw new CoreError('bad-checkpoint', 'checkpoint is too long');
  return text;
}

/**
 * The checkpoint of a note's text. The caller must have opened the note, and must compare the origin with the log's.
 * Throws `bad-checkpoint` for anything but lines that are not empty: origin, size in decimal without leading zeros
 * (up to 2^53 − 1), root, extensions.
 */
export function parseCheckpoint(text: string): ParsedCheckpoint {
  if (text.length > MAX_CHECKPOINT_LENGTH)
    throw new CoreError('bad-checkpoint', 'checkpoint is too long');
  if (!text.endsWith('\n'))
    throw new CoreError('bad-checkpoint', 'checkpoint ends without a newline');
  const lines = text.slice(0, -1).split('\n');
  const [origin, sizeText, rootText, ...extensions] = lines;
  if (origin === undefined || sizeText === undefined || rootText === undefined) {
    throw new CoreError('bad-checkpoint', 'checkpoint has fewer than three lines');
  }
  if (lines.some((line) => line.length === 0 || FORBIDDEN_IN_LINE.test(line))) {
    throw new CoreError('bad-checkpoint', 'checkpoint has an empty line or a forbidden character');
  }
  const size = TREE_SIZE.test(sizeText) ? Number(sizeText) : Number.NaN;
  if (!isTreeSize(size)) throw new CoreError('bad-checkpoint', 'checkpoint has no proper size');
  return { origin, size, root: parseRoot(rootText), extensions };
}

function parseRoot(text: string): Uint8Array {
  try {
    const root = fromBase64(text);
    if (root.length === HASH_LENGTH) return root;
  } catch (cause) {
    throw new CoreError('bad-checkpoint', 'checkpoint has no proper root', { cause });
  }
  throw new CoreError('bad-checkpoint', 'checkpoint has no proper root');
}
