import { concat, uint64, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { parseCheckpoint } from './checkpoint.ts';
import type { CosignerKey, NoteKey, NoteKeyType, NoteSignature } from './note.ts';
import { parseNote, refusal, signaturesBy } from './note.ts';

const TIME_LENGTH = 8;
const SIGNATURE_LENGTH: { readonly [Type in NoteKeyType]: number } = { 1: 64, 4: 64, 6: 2_420 };

/** Twelve bytes that no other signed message begins with (tlog-cosignature, `cosigned_message.label`). */
const SUBTREE_LABEL = utf8('subtree/v1\n\0');

/** UTF-8 bytes that a cosigner's name or a log's origin may have in an ML-DSA-44 message. */
const MAX_NAME_BYTES = 255;

/** The upper 32 bits of the latest time that a number holds exactly. */
const MAX_TIME_HIGH = 0x1f_ffff;

/** A cosignature that verified. Name and id of `key` with `signature` make the line of a note again. */
export interface Cosignature extends NoteSignature {
  readonly key: CosignerKey;
  /** The time that the cosigner signed with, a POSIX timestamp. 0 of a key of type 6: it says nothing of the time. */
  readonly timeSeconds: number;
}

/** Says whether the bare signature is the key's over the message. */
export type SignatureVerifier<Type extends NoteKeyType, Answer = boolean> = (
  key: NoteKey<Type>,
  message: Uint8Array,
  signature: Uint8Array,
) => Answer;

/**
 * What a cosigner signs for a checkpoint's text at a time (C2SP tlog-cosignature): for type 4 the time and the whole
 * text; for type 6 its name, the time, origin, size and root, without extension lines. Throws `bad-checkpoint` for a
 * text that is none, or whose origin has over 255 bytes and type 6; `out-of-range` for no time.
 */
export function cosignatureMessage(
  key: CosignerKey,
  checkpointText: string,
  timeSeconds: number,
): Uint8Array {
  const { origin, size, root } = parseCheckpoint(checkpointText);
  const time = uint64(timeSeconds);
  if (key.type === 4) return utf8(`cosignature/v1\ntime ${timeSeconds}\n${checkpointText}`);
  const range = [uint64(0), uint64(size)];
  return concat(SUBTREE_LABEL, short(key.name), time, short(origin), ...range, root);
}

function short(name: string): Uint8Array {
  const bytes = utf8(name);
  if (bytes.length > MAX_NAME_BYTES)
    throw new CoreError('bad-checkpoint', 'origin is too long for an ml-dsa-44 cosignature');
  return concat(Uint8Array.of(bytes.length), bytes);
}

/** A bare signature behind its time, as a note's line carries it. Throws `out-of-range`. */
export function encodeCosignature(timeSeconds: number, signature: Uint8Array): Uint8Array {
  return concat(uint64(timeSeconds), signature);
}

/**
 * The time and the bare signature of what a note's line carries for a cosigner. Throws `bad-note` for another length,
 * or a time over 2^53 − 1.
 */
export function decodeCosignature(
  key: CosignerKey,
  bytes: Uint8Array,
): { readonly timeSeconds: number; readonly signature: Uint8Array } {
  if (bytes.length !== TIME_LENGTH + SIGNATURE_LENGTH[key.type]) throw refusal();
  const view = new DataView(bytes.buffer, bytes.byteOffset, TIME_LENGTH);
  const high = view.getUint32(0);
  if (high > MAX_TIME_HIGH) throw new CoreError('bad-note', 'cosignature is of no proper time');
  return {
    timeSeconds: high * 2 ** 32 + view.getUint32(4),
    signature: bytes.subarray(TIME_LENGTH),
  };
}

/**
 * The witnesses who cosigned a checkpoint, in their order, each once with the latest time of its cosignatures; none
 * is no error. Signatures of others are ignored, every one of a known witness must verify. Whether the log signed is
 * not asked: open the note with the log's key first. Throws `bad-note`, `bad-checkpoint`; what `verify` throws passes.
 */
export function openCosignatures(
  note: string,
  witnesses: readonly CosignerKey[],
  verify: SignatureVerifier<4 | 6>,
): Cosignature[] {
  return openSignatures(note, witnesses, verify);
}

/** `openCosignatures` with a verifier that may take its time. Checks one signature after another. */
export function openCosignaturesAsync(
  note: string,
  witnesses: readonly CosignerKey[],
  verify: SignatureVerifier<4 | 6, boolean | Promise<boolean>>,
): Promise<Cosignature[]> {
  return openSignaturesAsync(note, witnesses, verify);
}

/** A known key's signature of a checkpoint that verified. Of a key of type 1, which signs no time, the time is 0. */
export interface KnownSignature<Type extends NoteKeyType> extends NoteSignature {
  readonly key: NoteKey<Type>;
  readonly timeSeconds: number;
}

/** `openCosignatures` with keys of any type, such as those of a log that may sign by either. */
export function openSignatures<Type extends NoteKeyType>(
  note: string,
  keys: readonly NoteKey<Type>[],
  verify: SignatureVerifier<Type>,
): KnownSignature<Type>[] {
  const checks = planChecks(note, keys);
  for (const { key, message, bare } of checks) {
    if (verify(key, message, bare) !== true) throw refusal();
  }
  return keys.flatMap((key) => latestBy(key, checks));
}

/** `openSignatures` with a verifier that may take its time. */
export async function openSignaturesAsync<Type extends NoteKeyType>(
  note: string,
  keys: readonly NoteKey<Type>[],
  verify: SignatureVerifier<Type, boolean | Promise<boolean>>,
): Promise<KnownSignature<Type>[]> {
  const checks = planChecks(note, keys);
  for (const { key, message, bare } of checks) {
    if ((await verify(key, message, bare)) !== true) throw refusal();
  }
  return keys.flatMap((key) => latestBy(key, checks));
}

interface Check<Type extends NoteKeyType> extends KnownSignature<Type> {
  readonly message: Uint8Array;
  readonly bare: Uint8Array;
}

function planChecks<Type extends NoteKeyType>(
  note: string,
  keys: readonly NoteKey<Type>[],
): Check<Type>[] {
  const { text, signatures } = parseNote(note);
  parseCheckpoint(text);
  return signaturesBy(keys, signatures).map(({ key, signature }) => {
    if (isCosigner(key)) {
      const { timeSeconds, signature: bare } = decodeCosignature(key, signature);
      const message = cosignatureMessage(key, text, timeSeconds);
      return { key, signature, timeSeconds, message, bare };
    }
    if (signature.length !== SIGNATURE_LENGTH[key.type]) throw refusal();
    return { key, signature, timeSeconds: 0, message: utf8(text), bare: signature };
  });
}

function isCosigner<Type extends NoteKeyType>(
  key: NoteKey<Type>,
): key is NoteKey<Type> & CosignerKey {
  return key.type !== 1;
}

function latestBy<Type extends NoteKeyType>(
  key: NoteKey<Type>,
  checks: readonly Check<Type>[],
): KnownSignature<Type>[] {
  let latest: Check<Type> | undefined;
  for (const check of checks) {
    if (check.key === key && check.timeSeconds >= (latest?.timeSeconds ?? 0)) latest = check;
  }
  if (latest === undefined) return [];
  const { signature, timeSeconds } = latest;
  return [{ key, signature, timeSeconds }];
}
