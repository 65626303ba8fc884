import { sha256 } from '#sha256';
import { base64, concat, fromBase64, hex, uint32, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';

/** Characters a signed note may have: sixteen signatures of the longest kind fit. */
export const MAX_NOTE_LENGTH = 131_072;

/** Signatures a note may have; the specification asks for at least sixteen. */
export const MAX_NOTE_SIGNATURES = 64;

/** Characters a key's name may have. */
const MAX_KEY_NAME_LENGTH = 256;

/** Characters of a name, an id, a type and the longest key, and the signs between them. */
const MAX_VERIFIER_KEY_LENGTH = MAX_KEY_NAME_LENGTH + 1 + 8 + 1 + 1_752;

/** UTF-8 bytes that the name of a key of type 6 may have: its message carries their number in one byte. */
const MAX_ML_DSA_44_NAME_BYTES = 255;

const ED25519_SIGNATURE_LENGTH = 64;
const KEY_ID_LENGTH = 4;
const SIGNATURE_LINE_START = '\u2014 ';
const NEWLINE = 0x0a;

const FORBIDDEN_IN_NAME = /[\p{White_Space}\p{Cc}\p{Cs}+]/u;
// Control characters but the newline, and surrogates without their partner.
// biome-ignore lint/suspicious/noControlCharactersInRegex: the specification forbids these
const FORBIDDEN_IN_NOTE = /[\u0000-\u0009\u000b-\u001f\p{Cs}]/u;

/**
 * What a key signs, and how (C2SP signed-note, signature types). 1: a note's text, Ed25519 · 4: a cosignature with
 * its time, Ed25519 · 6: a cosignature with its time, ML-DSA-44.
 */
export type NoteKeyType = 1 | 4 | 6;

/**
 * A key that may sign notes, of type 1 unless another is named. Name and id together say which key it is; the id
 * alone proves nothing.
 */
export interface NoteKey<Type extends NoteKeyType = 1> {
  readonly name: string;
  /** The first four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key), as a number. */
  readonly keyId: number;
  readonly type: Type;
  /** 32 bytes of Ed25519, 1,312 of ML-DSA-44. */
  readonly publicKey: Uint8Array;
}

/** A key that cosigns checkpoints, such as a witness's. */
export type CosignerKey = NoteKey<4 | 6>;

const PUBLIC_KEY_LENGTH: { readonly [Type in NoteKeyType]: number } = { 1: 32, 4: 32, 6: 1_312 };

/** A signature, and whose it is. */
export interface NoteSignature {
  readonly key: { readonly name: string; readonly keyId: number };
  readonly signature: Uint8Array;
}

/** A note whose signatures nobody has checked yet. */
export interface UnverifiedNote {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A note's text, and the known keys (at least one) that signed it. */
export interface OpenedNote {
  readonly text: string;
  readonly signers: readonly NoteKey[];
}

/** The key of a name and an Ed25519 public key of 32 bytes. Throws `bad-key`. */
export function noteKey(name: string, publicKey: Uint8Array): NoteKey {
  return toKey(1, name, publicKey);
}

/** The cosigner's key of a name and a public key, of 32 bytes for type 4, 1,312 for type 6. Throws `bad-key`. */
export function cosignerKey(type: 4 | 6, name: string, publicKey: Uint8Array): CosignerKey {
  return toKey(type, name, publicKey);
}

function toKey<Type extends NoteKeyType>(
  type: Type,
  name: string,
  publicKey: Uint8Array,
): NoteKey<Type> {
  if (!isKeyName(name)) throw new CoreError('bad-key', 'not a name for a note key');
  if (type === 6 && utf8(name).length > MAX_ML_DSA_44_NAME_BYTES)
    throw new CoreError('bad-key', 'name is too long for an ml-dsa-44 key');
  if (publicKey.length !== PUBLIC_KEY_LENGTH[type])
    throw new CoreError('bad-key', 'public key has a wrong length');
  const digest = sha256(concat(utf8(name), Uint8Array.of(NEWLINE, type), publicKey));
  return { name, keyId: toKeyId(digest), type, publicKey };
}

/** Name and id of a key, as its text form begins: by them a signature names it, and nothing else does. */
export function signerId({ name, keyId }: NoteSignature['key']): string {
  return `${name}+${hex(uint32(keyId))}`;
}

/** The key in its usual text form: name, id in hexadecimal, base64 of type and key, joined by plus signs. */
export function formatVerifierKey(key: NoteKey<NoteKeyType>): string {
  return `${signerId(key)}+${base64(concat(Uint8Array.of(key.type), key.publicKey))}`;
}

/** The key of a text in the form that `formatVerifierKey` gives, of type 1 only. Throws `bad-key`. */
export function parseVerifierKey(text: string): NoteKey {
  return parseKeyOf([1], text);
}

/** `parseVerifierKey` for a cosigner's key, of type 4 or 6. Throws `bad-key`. */
export function parseCosignerKey(text: string): CosignerKey {
  return parseKeyOf([4, 6], text);
}

/** `parseVerifierKey` for a key of one of these types. Throws `bad-key`. */
export function parseKeyOf<Type extends NoteKeyType>(
  types: readonly Type[],
  text: string,
): NoteKey<Type> {
  if (text.length > MAX_VERIFIER_KEY_LENGTH) throw new CoreError('bad-key', 'note key is too long');
  // A name has no plus sign; base64 may have its own.
  const [name, keyId, ...rest] = text.split('+');
  const encoded = decodeOr('bad-key', () => fromBase64(rest.join('+')));
  const type = types.find((each) => each === encoded[0]);
  if (type === undefined) throw new CoreError('bad-key', 'note key is of another type');
  const key = toKey(type, name as string, encoded.subarray(1));
  if (keyId !== hex(uint32(key.keyId)))
    throw new CoreError('bad-key', 'key id does not belong to the key');
  return key;
}

/** What a key signs: the note's text, with its last newline, as UTF-8. Throws `bad-note` for what cannot be one. */
export function noteMessage(text: string): Uint8Array {
  if (!text.endsWith('\n') || text.length > MAX_NOTE_LENGTH || FORBIDDEN_IN_NOTE.test(text)) {
    throw new CoreError('bad-note', 'not a text for a note');
  }
  return utf8(text);
}

/**
 * A signed note (C2SP signed-note) of a text that ends in a newline and signatures over `noteMessage(text)`.
 * Throws `bad-note` for what `parseNote` would not take back. It verifies nothing.
 */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  noteMessage(text);
  if (signatures.length < 1 || signatures.length > MAX_NOTE_SIGNATURES) {
    throw new CoreError('bad-note', 'a note has 1 to 64 signatures');
  }
  const lines = signatures.map(({ key, signature }) => {
    if (!isKeyName(key.name) || signature.length === 0)
      throw new CoreError('bad-note', 'not a note signature');
    return `${SIGNATURE_LINE_START}${key.name} ${base64(concat(uint32(key.keyId), signature))}\n`;
  });
  const note = `${text}\n${lines.join('')}`;
  if (note.length > MAX_NOTE_LENGTH) throw new CoreError('bad-note', 'note is too long');
  return note;
}

/** Takes a note apart and verifies nothing: nobody may believe the text yet. Throws `bad-note`. */
export function parseNote(note: string): UnverifiedNote {
  if (note.length > MAX_NOTE_LENGTH) throw new CoreError('bad-note', 'note is too long');
  if (FORBIDDEN_IN_NOTE.test(note))
    throw new CoreError('bad-note', 'note has a forbidden character');
  // The text may itself hold blank lines: only the last one divides.
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw new CoreError('bad-note', 'note has no signatures');
  const lines = note.slice(split + 2, -1).split('\n', MAX_NOTE_SIGNATURES + 1);
  if (lines.length > MAX_NOTE_SIGNATURES)
    throw new CoreError('bad-note', 'note has too many signatures');
  return { text: note.slice(0, split + 1), signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const parts = line.startsWith(SIGNATURE_LINE_START)
    ? line.slice(SIGNATURE_LINE_START.length).split(' ')
    : [];
  const [name, encoded] = parts;
  if (parts.length !== 2 || name === undefined || encoded === undefined || !isKeyName(name)) {
    throw new CoreError('bad-note', 'note has a malformed signature line');
  }
  const bytes = decodeOr('bad-note', () => fromBase64(encoded));
  if (bytes.length <= KEY_ID_LENGTH)
    throw new CoreError('bad-note', 'note has a malformed signature line');
  return { key: { name, keyId: toKeyId(bytes) }, signature: bytes.subarray(KEY_ID_LENGTH) };
}

/**
 * Opens a note: signatures of unknown keys are ignored, every one of a known key must verify, and there must be one.
 * `signers` names each key once, in the order of `keys`. Throws `bad-note`; whatever `verify` throws passes through.
 */
export function openNote(
  note: string,
  keys: readonly NoteKey[],
  verify: (key: NoteKey, message: Uint8Array, signature: Uint8Array) => boolean,
): OpenedNote {
  const { text, message, checks } = planChecks(note, keys);
  for (const { key, signature } of checks) {
    if (verify(key, message, signature) !== true) throw refusal();
  }
  return { text, signers: signersOf(checks, keys) };
}

/** `openNote` with a verifier that takes its time, such as WebCrypto's. Checks one signature after another. */
export async function openNoteAsync(
  note: string,
  keys: readonly NoteKey[],
  verify: (key: NoteKey, message: Uint8Array, signature: Uint8Array) => Promise<boolean>,
): Promise<OpenedNote> {
  const { text, message, checks } = planChecks(note, keys);
  for (const { key, signature } of checks) {
    if ((await verify(key, message, signature)) !== true) throw refusal();
  }
  return { text, signers: signersOf(checks, keys) };
}

/** A signature that says it is a known key's. */
export interface Check<Type extends NoteKeyType = 1> {
  readonly key: NoteKey<Type>;
  readonly signature: Uint8Array;
}

function planChecks(
  note: string,
  keys: readonly NoteKey[],
): { text: string; message: Uint8Array; checks: readonly Check[] } {
  const { text, signatures } = parseNote(note);
  const checks = signaturesBy(keys, signatures);
  if (checks.length === 0) throw new CoreError('bad-note', 'note has no signature of a known key');
  if (checks.some(({ signature }) => signature.length !== ED25519_SIGNATURE_LENGTH))
    throw refusal();
  return { text, message: utf8(text), checks };
}

/** The signatures that name a known key, in their order. Throws `bad-note` where two of the keys have one name and id. */
export function signaturesBy<Type extends NoteKeyType>(
  keys: readonly NoteKey<Type>[],
  signatures: readonly NoteSignature[],
): Check<Type>[] {
  return signatures.flatMap(({ key: claimed, signature }) => {
    const known = keys.filter((key) => key.name === claimed.name && key.keyId === claimed.keyId);
    if (known.length > 1) throw new CoreError('bad-note', 'two known keys have one name and id');
    return known.map((key) => ({ key, signature }));
  });
}

function signersOf(checks: readonly Check[], keys: readonly NoteKey[]): NoteKey[] {
  return keys.filter((key) => checks.some((check) => check.key === key));
}

/** What a note is refused with for one bad signature of a known key. */
export function refusal(): CoreError {
  return new CoreError('bad-note', 'signature of a known key does not verify');
}

function isKeyName(name: string): boolean {
  return name.length > 0 && name.length <= MAX_KEY_NAME_LENGTH && !FORBIDDEN_IN_NAME.test(name);
}

function toKeyId(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, KEY_ID_LENGTH).getUint32(0);
}

function decodeOr(code: 'bad-key' | 'bad-note', decode: () => Uint8Array): Uint8Array {
  try {
    return decode();
  } catch (cause) {
    throw new CoreError(code, 'base64 is malformed', { cause });
  }
}
