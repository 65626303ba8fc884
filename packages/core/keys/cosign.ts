import type { KeyObject } from 'node:crypto';
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { base64, concat } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import type { Cosignature, CosignerKey, NoteKey, NoteKeyType } from '../log/index.ts';
import { cosignatureMessage, cosignerKey, encodeCosignature } from '../log/index.ts';
import type { PublicKey } from './sign.ts';
import { parsePublicKey } from './sign.ts';

/** The two kinds of key that cosign: Ed25519 (RFC 8032) and ML-DSA-44 (FIPS 204, no context). */
export type CosigningKind = 'ed25519' | 'ml-dsa-44';

/** A private key that cosigns checkpoints, and its public half under the cosigner's name. */
export interface CosigningKey {
  readonly public: CosignerKey;
  readonly object: KeyObject;
}

const TYPES = { ed25519: 4, 'ml-dsa-44': 6 } as const;
const RAW_BYTES = { 4: 32, 6: 1_312 } as const;

/** What stands before an ML-DSA-44 public key in its SubjectPublicKeyInfo (RFC 9881). */
const ML_DSA_44_SPKI = Uint8Array.of(
  ...[0x30, 0x82, 5, 0x32, 0x30, 0x0b, 6, 9, 0x60, 0x86, 0x48],
  ...[1, 0x65, 3, 4, 3, 0x11, 3, 0x82, 5, 0x21, 0],
);

/** A new key of a cosigner's name from the system's randomness. @throws CoreError 'bad-key' for no name */
export function generateCosigningKey(kind: CosigningKind, name: string): CosigningKey {
  const { privateKey } =
    kind === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ml-dsa-44');
  return toCosigningKey(privateKey, name);
}

/** The private key as PKCS #8 in PEM, for a file that only its owner may read. */
export function exportCosigningKey(key: CosigningKey): string {
  return key.object.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/** Reads what {@link exportCosigningKey} wrote. @throws CoreError 'bad-key' */
export function importCosigningKey(pem: string, name: string): CosigningKey {
  let object: KeyObject;
  try {
    object = createPrivateKey(pem);
  } catch (cause) {
    throw new CoreError('bad-key', 'private key does not parse', { cause });
  }
  return toCosigningKey(object, name);
}

function toCosigningKey(object: KeyObject, name: string): CosigningKey {
  const kind = object.asymmetricKeyType;
  if (kind !== 'ed25519' && kind !== 'ml-dsa-44')
    throw new CoreError('bad-key', 'private key is neither ed25519 nor ml-dsa-44');
  const type = TYPES[kind];
  const der = createPublicKey(object).export({ format: 'der', type: 'spki' });
  const raw = new Uint8Array(der.subarray(der.length - RAW_BYTES[type]));
  return { public: cosignerKey(type, name, raw), object };
}

/**
 * Cosigns a checkpoint's text at a time (C2SP tlog-cosignature); what it gives makes a line of the checkpoint's note.
 * It checks nothing: the caller has seen that the log is consistent. @throws CoreError as `cosignatureMessage` does
 */
export function cosign(
  key: CosigningKey,
  checkpointText: string,
  timeSeconds: number,
): Cosignature {
  const message = cosignatureMessage(key.public, checkpointText, timeSeconds);
  const signature = encodeCosignature(timeSeconds, signBytes(null, message, key.object));
  return { key: key.public, timeSeconds, signature };
}

/**
 * Whether the bare signature is the key's over this message, for a key of any type: the verifier that `openNote`,
 * `openCosignatures` and `verifyTlogProof` ask for. A key that is no point of its curve has signed nothing.
 */
export function verifyNoteSignature(
  key: NoteKey<NoteKeyType>,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return verifyBytes(null, message, toPublicObject(key), signature);
  } catch (error) {
    if (error instanceof CoreError) return false;
    throw error;
  }
}

/** An Ed25519 key of a note, as the key that signs documents. @throws CoreError 'bad-key' where it is no point */
export function notePublicKey({ publicKey }: Pick<NoteKey, 'publicKey'>): PublicKey {
  return parsePublicKey(`ed25519:${base64(publicKey)}`);
}

function toPublicObject({ type, publicKey }: NoteKey<NoteKeyType>): KeyObject {
  if (type !== 6) return notePublicKey({ publicKey }).object;
  const der = Buffer.from(concat(ML_DSA_44_SPKI, publicKey));
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}
