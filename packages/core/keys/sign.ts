import type { KeyObject } from 'node:crypto';
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto';
import { sha256 } from '#sha256';
import { base64, concat, fromBase64, hex, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';

/** The two kinds of signing key: Ed25519 (RFC 8032), and ECDSA on P-256 with SHA-256 (FIPS 186-5). */
export type KeyKind = 'ed25519' | 'p256';

/**
 * A public key, parsed. Its text is `ed25519:` + base64 of 32 bytes, or `p256:` + base64 of the
 * uncompressed point (65 bytes); its id is the first 16 bytes of SHA-256(text) in hexadecimal.
 */
export interface PublicKey {
  readonly kind: KeyKind;
  readonly text: string;
  readonly id: string;
  readonly object: KeyObject;
}

/** A private key with its public half. */
export interface SigningKey {
  readonly public: PublicKey;
  readonly object: KeyObject;
}

/** Every signature is 64 bytes: R ‖ S of Ed25519, or r ‖ s (IEEE P1363) of ECDSA. */
export const SIGNATURE_BYTES = 64;

const ED25519_SPKI = Uint8Array.of(0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0);
const P256_SPKI = Uint8Array.of(
  ...[0x30, 0x59, 0x30, 0x13, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a],
  ...[0x86, 0x48, 0xce, 0x3d, 3, 1, 7, 3, 0x42, 0],
);
/** The y of the points whose order is 1, 2, 4 or 8, little endian. */
const SMALL_ORDER_Y: ReadonlySet<string> = new Set([
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
]);
/** p = 2^255 − 19 and what is above it. */
const NOT_REDUCED = /^(?:e[d-f]|f[0-9a-f])(?:ff){30}7f$/;
const RAW_BYTES = { ed25519: 32, p256: 65 } as const;
const SPKI = { ed25519: ED25519_SPKI, p256: P256_SPKI } as const;

/** @throws CoreError 'bad-key' */
export function parsePublicKey(text: string): PublicKey {
  const colon = text.indexOf(':');
  const kind = text.slice(0, colon);
  if (kind !== 'ed25519' && kind !== 'p256') {
    throw new CoreError('bad-key', 'public key is neither ed25519 nor p256');
  }
  let object: KeyObject;
  try {
    const raw = fromBase64(text.slice(colon + 1));
    if (raw.length !== RAW_BYTES[kind])
      throw new CoreError('bad-key', 'public key has a wrong length');
    if (!(kind === 'p256' ? isUncompressed(raw) : isSoundPoint(raw)))
      throw new CoreError('bad-key', 'public key is not in its one form');
    const der = Buffer.from(concat(SPKI[kind], raw));
    object = createPublicKey({ key: der, format: 'der', type: 'spki' });
  } catch (cause) {
    throw new CoreError('bad-key', 'public key does not parse', { cause });
  }
  return { kind, text, id: keyId(text), object };
}

/** SEC 1 has hybrid forms of the same point: one key must not have two ids. */
function isUncompressed(raw: Uint8Array): boolean {
  return raw[0] === 4;
}

/**
 * No point of small order, under which anyone's signature may verify, so that its owner could deny every
 * one; and no second spelling of a point (RFC 8032, 5.1.3).
 */
function isSoundPoint(raw: Uint8Array): boolean {
  const y = hex(Uint8Array.of(...raw.subarray(0, 31), (raw[31] as number) & 0x7f));
  return !SMALL_ORDER_Y.has(y) && !NOT_REDUCED.test(y);
}

/** The id by which documents and leaves name a key. */
export function keyId(text: string): string {
  return hex(sha256(utf8(text)).subarray(0, 16));
}

/** A new key from the system's randomness. */
export function generateSigningKey(kind: KeyKind): SigningKey {
  const pair =
    kind === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { public: publicHalf(kind, pair.publicKey), object: pair.privateKey };
}

/** The private key as PKCS #8 in PEM, for a file that only its owner may read. */
export function exportSigningKey(key: SigningKey): string {
  return key.object.export({ format: 'pem', type: 'pkcs8' }) as string;
}

/**
 * Reads what {@link exportSigningKey} wrote.
 * @throws CoreError 'bad-key'
 */
export function importSigningKey(pem: string): SigningKey {
  let object: KeyObject;
  try {
    object = createPrivateKey(pem);
  } catch (cause) {
    throw new CoreError('bad-key', 'private key does not parse', { cause });
  }
  const curve = object.asymmetricKeyDetails?.namedCurve;
  const kind =
    object.asymmetricKeyType === 'ed25519'
      ? 'ed25519'
      : object.asymmetricKeyType === 'ec' && curve === 'prime256v1'
        ? 'p256'
        : null;
  if (kind === null) throw new CoreError('bad-key', 'private key is neither ed25519 nor p256');
  return { public: publicHalf(kind, createPublicKey(object)), object };
}

/** Signs a message; see {@link SIGNATURE_BYTES} for its form. */
export function sign(key: SigningKey, message: Uint8Array): Uint8Array {
  return key.public.kind === 'ed25519'
    ? signBytes(null, message, key.object)
    : signBytes('sha256', message, { key: key.object, dsaEncoding: 'ieee-p1363' });
}

/** Whether the signature is this key's over this message. Never throws for a malformed signature. */
export function verify(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  return key.kind === 'ed25519'
    ? verifyBytes(null, message, key.object, signature)
    : verifyBytes('sha256', message, key.object, ecdsaDer(signature));
}

/** {@link verify} on another thread, so that a batch of signatures is checked on every core. */
export function verifyAside(
  key: PublicKey,
  message: Uint8Array,
  signature: Uint8Array,
): Promise<boolean> {
  if (signature.length !== SIGNATURE_BYTES) return Promise.resolve(false);
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, isValid: boolean) =>
      error === null ? resolve(isValid) : reject(error);
    if (key.kind === 'ed25519') verifyBytes(null, message, key.object, signature, done);
    else verifyBytes('sha256', message, key.object, ecdsaDer(signature), done);
  });
}

/**
 * r ‖ s as DER (SEC 1, C.5). Asked to take r ‖ s itself, Node spends a third of a verification on turning it, and does so
 * on the thread that asks.
 */
function ecdsaDer(signature: Uint8Array): Uint8Array {
  const r = derInteger(signature.subarray(0, SIGNATURE_BYTES / 2));
  const s = derInteger(signature.subarray(SIGNATURE_BYTES / 2));
  return Uint8Array.of(0x30, r.length + s.length, ...r, ...s);
}

/** A DER INTEGER has no byte too many, and its first bit is a sign. */
function derInteger(bytes: Uint8Array): readonly number[] {
  let from = 0;
  while (from < bytes.length - 1 && bytes[from] === 0) from += 1;
  const isNegative = (bytes[from] as number) >= 0x80;
  const magnitude = bytes.subarray(from);
  return isNegative
    ? [2, magnitude.length + 1, 0, ...magnitude]
    : [2, magnitude.length, ...magnitude];
}

function publicHalf(kind: KeyKind, object: KeyObject): PublicKey {
  const der = object.export({ format: 'der', type: 'spki' });
  const text = `${kind}:${base64(der.subarray(SPKI[kind].length))}`;
  return { kind, text, id: keyId(text), object };
}
