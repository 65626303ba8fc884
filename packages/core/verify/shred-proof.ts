import { equal, fromBase64, fromHex, hex } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { CoreError } from '../errors.ts';
import { readDocumentOrNull, signingInput } from '../grants/documents.ts';
import type { TileReader } from '../log/index.ts';
import { leafHash, parseLeafOrNull, verifyInclusion } from '../log/index.ts';
import type { Read } from '../shape.ts';
import { hexText, list, object, oneOf, text } from '../shape.ts';
import type { ShredCertificate } from '../shred-certificate.ts';
import { readShredCertificate } from '../shred-certificate.ts';
import { orNull } from './bodies.ts';
import { keysOf } from './bundle.ts';
import { openCheckpoint } from './checkpoint.ts';
import type { InstanceKeys } from './history.ts';
import { proofsFromTiles } from './proofs.ts';
import { verifyByWebCrypto } from './signature.ts';
import type { Witnessed } from './witnesses.ts';
import { checkWitnesses, witnessKeysOrNull } from './witnesses.ts';

const FORMAT = 'amanat/v1 shred proof';
const FILE_CHARACTERS_MAX = 1024 * 1024;
/** How far ahead of the reader's clock a keeper's may be. */
const AHEAD_MS_MAX = 86_400_000;

const shredProof = object({
  type: oneOf(FORMAT),
  keys: object({ logKey: text(512), keeperKey: text(128), witnesses: witnessKeysOrNull }),
  checkpoint: text(131_072),
  /** The certificate's exact text, and the keeper's signature over it. */
  certificate: text(262_144),
  signature: text(88),
  /** The leaf of the entry, base64, and the hashes that lead from it to the root. */
  leaf: text(87_384),
  proof: list(hexText(32), 0, 54),
});

type ShredProof = Read<typeof shredProof>;

/** Every check that is made of a certificate of shredding, in their order. */
export const SHRED_CHECKS = [
  'certificate-signature',
  'time',
  'checkpoint-signature',
  'witnessed',
  'entry',
  'inclusion',
] as const;

/**
 * certificate-signature: the keeper signed the certificate · time: by a clock that is not a day ahead of the reader's ·
 * checkpoint-signature: the log signed its checkpoint · witnessed: a quorum of the witnesses cosigned it; applies once there are witnesses · entry: the entry is the one that
 * the certificate names, and is of such a shredding · inclusion: it stands in the log.
 */
export type ShredCheckId = (typeof SHRED_CHECKS)[number];

/** What checking a certificate gave. Only where `verified` is true may anyone say so. */
export interface ShredVerification {
  readonly verified: boolean;
  readonly checks: readonly { readonly id: ShredCheckId; readonly state: 'ok' | 'failed' }[];
  /** null where it is no certificate. */
  readonly certificate: ShredCertificate | null;
  /** Who has cosigned the checkpoint; null: nobody has to yet. */
  readonly witnessed: Witnessed | null;
  /** The keys it says it was made under: of use only to compare with those known from elsewhere. */
  readonly claimedKeys: InstanceKeys;
}

/** A certificate as the gateway gives it out, with the leaf that it names. */
export interface CertifiedEntry {
  readonly certificate: string;
  readonly signature: string;
  /** Base64. */
  readonly leaf: string;
}

/**
 * One file with everything by which a certificate is checked again elsewhere, without network.
 * @param keys under which it is to be checked.
 * @throws CoreError 'bad-document' where the certificate is none, or its entry is not proven by the log's tiles
 */
export async function makeShredProof({
  certified: { certificate, signature, leaf },
  checkpoint,
  tiles,
  keys,
}: {
  readonly certified: CertifiedEntry;
  readonly checkpoint: string;
  readonly tiles: TileReader;
  readonly keys: InstanceKeys;
}): Promise<string> {
  const { index } = readShredCertificate(certificate);
  const opened = await openCheckpoint(checkpoint, keys.logKey);
  const size = opened.checkpoint?.size ?? 0;
  const [found] = index < size ? await proofsFromTiles(tiles).prove([index], size) : [];
  if (found === undefined || typeof found === 'string') {
    throw new CoreError('bad-document', 'the log’s tiles do not prove the entry');
  }
  const value: ShredProof = {
    type: FORMAT,
    keys: keysOf(keys),
    checkpoint,
    certificate,
    signature,
    leaf,
    proof: found.proof.map(hex),
  };
  return JSON.stringify(value);
}

/** Whether a file says that it is a proof of this kind. */
export function isShredProof(file: string): boolean {
  return file.length <= FILE_CHARACTERS_MAX && typeOf(file) === FORMAT;
}

/**
 * Checks a certificate against keys that are known from elsewhere: the keeper's word, and the entry that it names. It
 * shows that the keeper says so, and that the entry stands in the log; not what became of copies that the certificate
 * does not name, nor what a disk keeps of what was overwritten.
 * @param pinned null takes the file's own keys: it then shows only that the file agrees with itself.
 * @param now milliseconds since 1970.
 * @throws CoreError 'bad-document' where the file is no such proof; whatever it holds is a failed check.
 */
export async function verifyShredProof(
  file: string,
  pinned: InstanceKeys | null,
  now: number,
): Promise<ShredVerification> {
  if (file.length > FILE_CHARACTERS_MAX) throw new CoreError('bad-document', 'file is too long');
  const found = shredProof(parseJson(file), '');
  const keys = pinned ?? found.keys;
  const certificate = orNull(() => readShredCertificate(found.certificate));
  const signature = orNull(() => fromBase64(found.signature)) ?? new Uint8Array(0);
  const leaf = orNull(() => fromBase64(found.leaf));
  const opened = await openCheckpoint(found.checkpoint, keys.logKey);
  // What is no certificate may not even be text that could be signed.
  const signed =
    certificate === null
      ? 'wrong'
      : await verifyByWebCrypto(keys.keeperKey, signingInput(found.certificate), signature);
  const witnessed =
    keys.witnesses === null ? null : await checkWitnesses(found.checkpoint, keys.witnesses);
  const passed: Readonly<Record<ShredCheckId, boolean>> = {
    'certificate-signature': signed === 'ok',
    time: certificate !== null && certificate.time <= now + AHEAD_MS_MAX,
    'checkpoint-signature': opened.checkpoint !== null && opened.signature === 'ok',
    witnessed: witnessed?.outcome === 'ok',
    entry: certificate !== null && leaf !== null && isEntryOf(certificate, leaf),
    inclusion:
      certificate !== null &&
      opened.checkpoint !== null &&
      certificate.index < opened.checkpoint.size &&
      verifyInclusion({
        index: certificate.index,
        size: opened.checkpoint.size,
        root: opened.checkpoint.root,
        leafHash: fromHex(certificate.leaf),
        proof: found.proof.map(fromHex),
      }),
  };
  const checks = SHRED_CHECKS.filter((id) => id !== 'witnessed' || witnessed !== null).map(
    (id) => ({ id, state: passed[id] ? ('ok' as const) : ('failed' as const) }),
  );
  return {
    verified: checks.every(({ state }) => state === 'ok'),
    checks,
    certificate,
    witnessed,
    claimedKeys: found.keys,
  };
}

/** Whether the leaf is the one named, and destroys what the certificate says. */
function isEntryOf(certificate: ShredCertificate, bytes: Uint8Array): boolean {
  if (!equal(leafHash(bytes), fromHex(certificate.leaf))) return false;
  const leaf = parseLeafOrNull(bytes);
  if (certificate.kind === 'person') return leaf?.kind === 'erased';
  const expiry = leaf?.kind === 'public' ? readDocumentOrNull(leaf.document, 'expiry') : null;
  return expiry?.holding === certificate.holding && expiry.month === certificate.month;
}

function typeOf(file: string): unknown {
  try {
    return (JSON.parse(file) as { readonly type?: unknown } | null)?.type;
  } catch {
    return null;
  }
}

function parseJson(file: string): Json {
  try {
    return JSON.parse(file) as Json;
  } catch (cause) {
    throw new CoreError('bad-document', 'file is not json', { cause });
  }
}
