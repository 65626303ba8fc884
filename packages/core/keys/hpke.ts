import { hkdfExpand, hkdfExtract } from '#hkdf';
import { concat, uint16, utf8 } from '../bytes.ts';
import { CoreError } from '../errors.ts';

/**
 * HPKE (RFC 9180), base mode, one message: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
 * P-256 because every browser's WebCrypto has it. The same code runs in the browser and the keeper.
 */
const KEM_ID = uint16(0x0010);
const KEM_SUITE = concat(utf8('KEM'), KEM_ID);
const HPKE_SUITE = concat(utf8('HPKE'), KEM_ID, uint16(0x0001), uint16(0x0002));
const VERSION = utf8('HPKE-v1');
const NONE = new Uint8Array(0);
const POINT_BYTES = 65;
const CURVE = { name: 'ECDH', namedCurve: 'P-256' } as const;

/** An encapsulated key and what was sealed to it. */
export interface Sealed {
  /** The sender's ephemeral public key: an uncompressed point, 65 bytes. */
  readonly enc: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** What both ends of one sealed message share, by RFC 9180, 5.3. */
export type Exporter = (context: string) => Uint8Array;

type WebKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>;

/** The recipient's key pair. */
export interface SealingKey {
  readonly publicKey: Uint8Array;
  readonly privateKey: WebKey;
}

/** A new key pair; the private key as PKCS #8, to be wrapped at once. */
export async function generateSealingKey(): Promise<{ publicKey: Uint8Array; pkcs8: Uint8Array }> {
  const pair = await crypto.subtle.generateKey(CURVE, true, ['deriveBits']);
  return {
    publicKey: new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey)),
    pkcs8: new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey)),
  };
}

/** The pair of {@link generateSealingKey} again. */
export async function importSealingKey(
  publicKey: Uint8Array,
  pkcs8: Uint8Array,
): Promise<SealingKey> {
  const privateKey = await crypto.subtle.importKey('pkcs8', own(pkcs8), CURVE, false, [
    'deriveBits',
  ]);
  return { publicKey, privateKey };
}

/**
 * Seals one message to a recipient's public key.
 * @throws CoreError 'bad-key' where the public key is no point of the curve.
 */
export async function sealTo(
  publicKey: Uint8Array,
  info: Uint8Array,
  plaintext: Uint8Array,
): Promise<Sealed & { exporter: Exporter }> {
  const pair = await crypto.subtle.generateKey(CURVE, true, ['deriveBits']);
  const enc = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  const recipient = await importPoint(publicKey);
  const shared = await deriveShared(pair.privateKey, recipient, concat(enc, publicKey));
  const { key, nonce, exporter } = schedule(shared, info);
  const aead = await crypto.subtle.importKey('raw', own(key), 'AES-GCM', false, ['encrypt']);
  const ciphertext = await crypto.subtle.encrypt(
    { name: 'AES-GCM', iv: own(nonce) },
    aead,
    own(plaintext),
  );
  return { enc, ciphertext: new Uint8Array(ciphertext), exporter };
}

/**
 * Opens what {@link sealTo} sealed.
 * @throws CoreError 'bad-key' or 'bad-ciphertext'
 */
export async function openSealed(
  recipient: SealingKey,
  info: Uint8Array,
  sealed: Sealed,
): Promise<{ plaintext: Uint8Array; exporter: Exporter }> {
  const sender = await importPoint(sealed.enc);
  const context = concat(sealed.enc, recipient.publicKey);
  const shared = await deriveShared(recipient.privateKey, sender, context);
  const { key, nonce, exporter } = schedule(shared, info);
  const aead = await crypto.subtle.importKey('raw', own(key), 'AES-GCM', false, ['decrypt']);
  try {
    const plaintext = await crypto.subtle.decrypt(
      { name: 'AES-GCM', iv: own(nonce) },
      aead,
      own(sealed.ciphertext),
    );
    return { plaintext: new Uint8Array(plaintext), exporter };
  } catch (cause) {
    throw new CoreError('bad-ciphertext', 'sealed message does not open', { cause });
  }
}

async function importPoint(point: Uint8Array): Promise<WebKey> {
  // RFC 9180, 7.1.1, has the uncompressed form alone; some WebCryptos read the others too.
  if (point.length !== POINT_BYTES || point[0] !== 4) {
    throw new CoreError('bad-key', 'key is no uncompressed point');
  }
  try {
    return await crypto.subtle.importKey('raw', own(point), CURVE, false, []);
  } catch (cause) {
    throw new CoreError('bad-key', 'key is no point of P-256', { cause });
  }
}

/** Encap and Decap of RFC 9180, 4.1, which differ only in whose private key is at hand. */
async function deriveShared(
  privateKey: WebKey,
  publicKey: WebKey,
  kemContext: Uint8Array,
): Promise<Uint8Array> {
  const bits = await crypto.subtle.deriveBits({ name: 'ECDH', public: publicKey }, privateKey, 256);
  const prk = labeledExtract(KEM_SUITE, NONE, 'eae_prk', new Uint8Array(bits));
  return labeledExpand(KEM_SUITE, prk, 'shared_secret', kemContext, 32);
}

/** KeySchedule of RFC 9180, 5.1, in base mode. */
function schedule(shared: Uint8Array, info: Uint8Array) {
  const pskIdHash = labeledExtract(HPKE_SUITE, NONE, 'psk_id_hash', NONE);
  const infoHash = labeledExtract(HPKE_SUITE, NONE, 'info_hash', info);
  const context = concat(Uint8Array.of(0), pskIdHash, infoHash);
  const secret = labeledExtract(HPKE_SUITE, shared, 'secret', NONE);
  const exporterSecret = labeledExpand(HPKE_SUITE, secret, 'exp', context, 32);
  const exporter: Exporter = (label) =>
    labeledExpand(HPKE_SUITE, exporterSecret, 'sec', utf8(label), 32);
  return {
    key: labeledExpand(HPKE_SUITE, secret, 'key', context, 32),
    nonce: labeledExpand(HPKE_SUITE, secret, 'base_nonce', context, 12),
    exporter,
  };
}

function labeledExtract(
  suite: Uint8Array,
  salt: Uint8Array,
  label: string,
  input: Uint8Array,
): Uint8Array {
  return hkdfExtract(concat(VERSION, suite, utf8(label), input), salt);
}

function labeledExpand(
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  length: number,
): Uint8Array {
  const labeled = concat(uint16(length), VERSION, suite, utf8(label), info);
  return hkdfExpand(prk, labeled, length);
}

/** A copy on a buffer of its own, which WebCrypto's types ask for. */
function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
