import { sha256 } from '#sha256';
import { concat, fromBase64, utf8 } from './bytes.ts';
import { canonicalBytes, parseCanonicalBytes } from './canonical.ts';
import { CoreError } from './errors.ts';
import type { PersonalLeaf } from './log/entry.ts';
import { coarseHour } from './log/entry.ts';
import type { Read } from './shape.ts';
import {
  date,
  hexText,
  integer,
  list,
  nullable,
  object,
  oneOf,
  set,
  slug,
  text,
  time,
} from './shape.ts';

const STATEMENT_PREFIX = utf8('amanat/v1 statement\n');
const NONCE_BYTES = 32;

/** How often one seal can be extended. */
export const SEAL_EXTENSIONS_MAX = 16;

const READS_MAX = 8;
const RECORDS_MAX = 4096;
/** Of an opening: the look-up, and its extensions. */
const SEALS_MAX = 1 + SEAL_EXTENSIONS_MAX;

const group = object({ group: slug, nonce: hexText(16), sha256: hexText(32) });

const recordRead = object({
  holding: slug,
  record: hexText(16),
  import: integer(0),
  row: integer(1),
  expiryMonth: text(7, /^\d{4}-\d{2}$/, 'a month'),
  groups: list(group, 1, 40),
});

/**
 * What a personal leaf commits to, and what the person reads: one numbered entry of one subject's
 * chain. It never names the officer or the case, which stand in the sealed evidence.
 */
const statement = object({
  type: oneOf('statement'),
  /**
   * disclosure: records were named · miss: none were held · refusal: a rule refused ·
   * second-person: a second person was asked for · undelivered: asked, then given up ·
   * sign-in: the person's own view · code: an access code was handed out ·
   * protected, unprotected: by two administrators · erased: by two administrators, her records' key is destroyed ·
   * seal-extended: what is sealed stays so for longer · opened: what was sealed is hers to read.
   */
  kind: oneOf(
    'disclosure',
    'miss',
    'refusal',
    'second-person',
    'undelivered',
    'sign-in',
    'code',
    'protected',
    'unprotected',
    'erased',
    'seal-extended',
    'opened',
  ),
  controller: slug,
  subject: hexText(16),
  /** Its place, from 1: in the subject's chain, or, of one that is sealed, among those sealed about her. */
  number: integer(1),
  time,
  agency: nullable(slug),
  /** A pseudonym of the officer, for this subject alone. */
  officer: nullable(hexText(16)),
  /** Whether a second person signed. */
  approved: nullable(oneOf('approved')),
  purpose: nullable(text(200)),
  legalBasis: nullable(text(200)),
  /** The rule's code, of a refusal. */
  refusal: nullable(slug),
  /** What was asked for. */
  reads: list(object({ holding: slug, groups: set(slug, 1, 40) }), 0, READS_MAX),
  /** What was named to be released: these versions of these records, these groups, no others. */
  records: list(recordRead, 0, RECORDS_MAX),
  /** Until when, and on which ground, it is withheld from her; null where it never was. */
  seal: nullable(object({ ground: text(200), until: date })),
  /** The sealed entries that it is about: of an opening the look-up and then its extensions, of an extension the look-up. */
  seals: list(
    object({ index: integer(0), number: integer(1), leafHash: hexText(32) }),
    0,
    SEALS_MAX,
  ),
  /** SHA-256 of the signed documents that were the ground for it. */
  evidence: nullable(hexText(32)),
  /** What the leaf of an erasure shows beside the commitment: base64; null of every other kind. */
  token: nullable(text(60, /^[A-Za-z0-9+/]{59}=$/, '44 bytes in base64')),
});

export type Statement = Read<typeof statement>;
/** A sealed entry as another cites it. */
export type SealedPlace = Statement['seals'][number];
export type StatementKind = Statement['kind'];
export type RecordRead = Read<typeof recordRead>;

/** Reads one record's name strictly, as a gateway offers it. @throws CoreError 'bad-document' */
export const readRecordRead = recordRead;

/**
 * The body that is sealed for the person: 32-byte nonce ‖ the statement in its one encoding. No list is longer than
 * {@link decodeBody} takes: nobody but her would find that it does not read, and only once it is in the log.
 * @throws CoreError 'bad-document'
 */
export function encodeBody(nonce: Uint8Array, value: Statement): Uint8Array {
  if (nonce.length !== NONCE_BYTES) throw new CoreError('bad-document', 'nonce is not 32 bytes');
  const { reads, records, seals } = value;
  if (reads.length > READS_MAX || records.length > RECORDS_MAX || seals.length > SEALS_MAX) {
    throw new CoreError('bad-document', 'statement: too long a list');
  }
  return concat(nonce, canonicalBytes(value));
}

/** The commitment in the leaf: SHA-256(prefix ‖ body). The nonce keeps guesses from being confirmed. */
export function commitTo(body: Uint8Array): Uint8Array {
  return sha256(concat(STATEMENT_PREFIX, body));
}

/** The leaf that stands in the log for a statement: it follows from statement and commitment alone. */
export function leafOf(
  { kind, time: at, seal, seals, token }: Statement,
  commitment: Uint8Array,
): PersonalLeaf {
  const personal = { hour: coarseHour(at), commitment };
  const about = seals[0]?.index ?? null;
  if (kind === 'erased') return { kind, ...personal, token: fromBase64(token ?? '') };
  if (kind === 'opened' && about !== null) return { kind, ...personal, seal: about };
  if (seal === null) return { kind: 'person', ...personal };
  return { kind: 'sealed', ...personal, month: seal.until.slice(0, 7), extends: about };
}

/** Reads a body strictly. @throws CoreError 'bad-document' or 'bad-encoding' */
export function decodeBody(body: Uint8Array): Statement {
  const found = statement(parseCanonicalBytes(body.subarray(NONCE_BYTES)), '');
  if ((found.kind === 'erased') !== (found.token !== null)) {
    throw new CoreError('bad-document', 'token: expected of an erasure and of nothing else');
  }
  return found;
}
