import { sha256 } from '#sha256';
import { concat, hex, utf8 } from '../bytes.ts';
import type { Json } from '../canonical.ts';
import { canonicalText, parseCanonical } from '../canonical.ts';
import { CoreError } from '../errors.ts';
import { SHARES_MAX } from '../keys/shamir.ts';
import type { CosignerKey } from '../log/note.ts';
import { parseCosignerKey, parseVerifierKey } from '../log/note.ts';
import type { Read } from '../shape.ts';
import {
  boolean,
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
} from '../shape.ts';

/**
 * The documents that people sign. Each is canonical JSON; a signature is over
 * `amanat/v1 document\n` ‖ its UTF-8 bytes, and its hash is SHA-256 of the same.
 */
const PREFIX = utf8('amanat/v1 document\n');

/** How often generations may be rotated: a generation's number is one byte in its keys' slots. */
const GENERATION_ROTATIONS_MAX = 125;

/** A document's exact text, and the signatures over it. */
export interface Signed {
  readonly document: string;
  readonly signatures: readonly { readonly key: string; readonly signature: string }[];
}

/** The bytes that are signed. */
export function signingInput(document: string): Uint8Array {
  return concat(PREFIX, utf8(document));
}

/** The 32-byte hash by which an approval, a sequence or a statement names a document. */
export function documentHash(document: string): Uint8Array {
  return sha256(signingInput(document));
}

/** Most subjects that one request names. */
export const SUBJECTS_MAX = 1000;
/** Secondary identifiers that a holding may have. */
export const SECONDARY_MAX = 4;
/** Counts, and inert leaves, that one `seals-counted` tells. */
export const SEAL_COUNTS_MAX = 300;
export const SEAL_INERT_MAX = 1000;
const keyText = text(128, /^(ed25519|p256):[A-Za-z0-9+/]+=*$/, 'a public key');
const iri = text(
  200,
  /^(https:\/\/w3id\.org\/dpv[A-Za-z0-9/_#-]*#|amanat:)[A-Za-z0-9-]+$/,
  'a DPV term',
);
const version = integer(1, 1_000_000);
const title = object({ en: text(200), ur: text(200) });
const contact = object({
  email: text(200, /^[^\s@]+@[^\s@]+$/, 'an e-mail address'),
  phone: nullable(text(40)),
  address: nullable(text(300)),
});
const nonce = hexText(16);
const month = text(7, /^\d{4}-(?:0[1-9]|1[0-2])$/, 'a month, YYYY-MM');

/** A log's name: small letters, digits, dots, hyphens and underscores, in parts that a slash divides. */
export const origin = text(120, /^[a-z0-9.-]+(\/[a-z0-9._-]+)*$/, 'a log origin');

/** What an instance is: its keys and who may change it. The log's first entry. */
const genesis = object({
  type: oneOf('genesis'),
  /** The log's origin, the first line of its checkpoints. */
  origin,
  mode: oneOf('demo', 'trial'),
  /** The log's verifier key, as C2SP signed-note writes it. */
  logKey: text(300),
  /** The keeper signs heads with this key, and opens sealed codes with the other (P-256 point, base64). */
  keeperKey: keyText,
  keeperSealingKey: text(88, /^[A-Za-z0-9+/]{87}=$/, 'a P-256 point'),
  administrators: set(keyText, 2, 2),
  registrar: keyText,
  /** How long a document that gives rights waits before it is in force. */
  activationSeconds: integer(0, 30 * 86_400),
  time,
});

const agency = object({
  type: oneOf('agency'),
  agency: slug,
  version,
  name: title,
  contact,
  /** Subjects a day over all its officers: what no grant can exceed. */
  subjectsPerDay: integer(0, 1_000_000),
  time,
});

const certificate = object({
  type: oneOf('certificate'),
  key: keyText,
  version,
  /** A name that only the agency can resolve: the log is public. */
  person: slug,
  /** The agency of an officer or approver, the controller of an importer. */
  agency: slug,
  /** Line of command: an approver must stand in another than the officer's. */
  line: slug,
  role: oneOf('officer', 'approver', 'importer'),
  /** Subjects a day for this person, whatever the grants allow. */
  subjectsPerDay: integer(0, 1_000_000),
  notAfter: time,
  time,
});

const revocation = object({
  type: oneOf('revocation'),
  key: hexText(16),
  /** Higher than the certificate's; a certificate of a lower version is never in force again. */
  version,
  reason: text(200),
  time,
});

const field = object({
  name: slug,
  title,
  type: oneOf(
    'cnic',
    'msisdn',
    'imsi',
    'imei',
    'text',
    'date',
    'datetime',
    'enum',
    'integer',
    'jpeg',
  ),
  category: iri,
  group: slug,
  identifier: nullable(oneOf('primary', 'secondary')),
  required: boolean,
  values: nullable(set(text(60), 1, 100)),
});

/** A holding: what is kept, why, by whom, for how long, and who may ask. */
const declaration = object({
  type: oneOf('declaration'),
  holding: slug,
  version,
  title,
  controller: object({ id: slug, name: title, contact }),
  purposes: set(iri, 1, 20),
  legalBases: set(iri, 1, 20),
  recipients: set(slug, 0, 100),
  primaryIdentifier: oneOf('cnic'),
  /** The fields that tell one subject's records apart; none: one record a subject. */
  recordKey: set(slug, 0, 5),
  /** The date from which retention counts; null: the import. */
  eventDate: nullable(slug),
  retentionMonths: integer(1, 1200),
  reviewDate: date,
  fields: list(field, 1, 60),
});

/** One row of the grants table; see decide.ts. In a `forbid` row null stands for any. */
const grantRow = object({
  id: slug,
  effect: oneOf('permit', 'forbid'),
  agency: nullable(slug),
  purpose: nullable(iri),
  legalBasis: nullable(iri),
  holding: nullable(slug),
  groups: nullable(set(slug, 1, 40)),
  /** Subjects that one request may name, and over how many a second person is asked for. */
  subjectsMax: integer(1, SUBJECTS_MAX),
  secondPersonOver: integer(0, SUBJECTS_MAX),
  /** Hours of the day, from inclusive, to exclusive; null: any. */
  hours: nullable(object({ from: integer(0, 23), to: integer(1, 24) })),
  /** Subjects that one officer may read under this row in a day. */
  subjectsPerDay: integer(0, 1_000_000),
});

const grants = object({
  type: oneOf('grants'),
  version,
  /** Minutes east of UTC by which the table's hours and days are counted. */
  utcOffsetMinutes: integer(-14 * 60, 14 * 60),
  rows: list(grantRow, 0, 150),
  time,
});

/** An import announced: the importer signs what may be written before a row is. */
const importBegun = object({
  type: oneOf('import-begun'),
  holding: slug,
  /** How many rows the keeper will draw keys for. */
  rowLimit: integer(1, 2_000_000_000),
  /** SHA-256(salt ‖ the upload's bytes): opened in a dispute, and no guess is confirmed by it. */
  commitment: hexText(32),
  nonce,
  time,
});

/** An import's end, in the gateway's words: what was stored, under one root. */
const importEnded = object({
  type: oneOf('import-ended'),
  /** Index of the import-begun entry. */
  import: integer(0),
  rows: integer(0),
  stored: integer(0),
  unchanged: integer(0),
  rejected: integer(0),
  /** RFC 6962 root over (record id, version, ciphertext hash), in order of row. */
  root: hexText(32),
  time,
});

/** Refusals past ten an hour, counted together so that they cannot flood anyone's chain. */
const refusalsCounted = object({
  type: oneOf('refusals-counted'),
  agency: slug,
  hour: text(14, /^\d{4}-\d{2}-\d{2}T\d{2}Z$/, 'an hour'),
  count: integer(1, 1_000_000_000),
});

/**
 * Who has to cosign the log's checkpoints: from when it is in force, the keeper releases nothing for a checkpoint that
 * fewer than `quorum` of the witnesses have cosigned.
 */
const witnesses = object({
  type: oneOf('witnesses'),
  version,
  /** Each witness's verifier key, as C2SP signed-note writes it, and where it takes checkpoints (C2SP tlog-witness). */
  witnesses: list(
    object({ key: text(2100), url: text(300, /^https?:\/\/[!-~]+$/, 'a URL') }),
    1,
    16,
  ),
  quorum: integer(1, 16),
  /** How many of them may lie without two trees being cosigned: 2 × quorum > witnesses + faulty. */
  faulty: integer(0, 15),
  /** What two administrators may fall back to while the quorum is out of reach: never nobody. */
  breakGlass: nullable(object({ quorum: integer(1, 15), releases: integer(1, 1000) })),
  time,
});

/**
 * Another key that signs the log's checkpoints: of every tree that has this leaf. Both administrators sign it, the key
 * before it, and the key itself, whose holder thereby is known to have it.
 */
const logKey = object({
  type: oneOf('log-key'),
  version,
  /** The verifier key, as C2SP signed-note writes it, under the log's origin. */
  key: text(300),
  /** Until when the key before it signs beside it, so that whoever reads the log can take the new one in time. */
  bothUntil: time,
  time,
});

/** Two administrators break the glass: until a time, the smaller quorum of `witnesses` does, for so many releases. */
const brokenGlass = object({
  type: oneOf('broken-glass'),
  reason: text(200),
  until: time,
  nonce,
  time,
});

/** What was released under a smaller quorum, counted once the full one has covered it, in the gateway's words. */
const brokenGlassCounted = object({
  type: oneOf('broken-glass-counted'),
  releases: integer(0, 1_000_000),
  time,
});

/**
 * Which look-ups the law lets be withheld from whom they are about: on which grounds, for how long at most, and by whom.
 * Without rules nothing is.
 */
const sealRules = object({
  type: oneOf('seal-rules'),
  version,
  jurisdiction: text(100),
  grounds: list(
    object({
      ground: iri,
      title,
      /** Days from the look-up to the last date, extensions included. */
      daysMax: integer(1, 3660),
      /** The law that says so. */
      source: text(300),
    }),
    0,
    50,
  ),
  /** Who may seal, and how many look-ups of hers may be sealed at a time. */
  agencies: list(object({ agency: slug, openMax: integer(0, 10_000) }), 0, 100),
  time,
});

const count = integer(0, 1_000_000_000);

/** Sealed look-ups by agency and month of the event, in the keeper's words and signed with its key. */
const sealsCounted = object({
  type: oneOf('seals-counted'),
  counts: list(
    object({
      agency: slug,
      month,
      /** Look-ups sealed; seals extended; seals opened. */
      sealed: count,
      extended: count,
      opened: count,
      /** Sealed asks that were refused, and that a second person had yet to sign: they read nothing and have no entry. */
      refused: count,
      awaited: count,
    }),
    0,
    SEAL_COUNTS_MAX,
  ),
  /** Leaves that say they seal, extend or open, and mean nothing: no look-up of the keeper's is theirs. */
  inert: list(integer(0), 0, SEAL_INERT_MAX),
  /** The tree that the keeper had followed to. */
  size: integer(0),
  time,
});

/** A holding's month is over, and its key destroyed, in the gateway's words: inert before it is due (`Register.isDue`). */
const expiry = object({ type: oneOf('expiry'), holding: slug, month, time });

/** Two administrators announce that a holding's month expires before it is over: seven days after this was signed. */
const expiryAnnounced = object({
  type: oneOf('expiry-announced'),
  holding: slug,
  month,
  reason: text(200),
  time,
});

/** Two administrators have the keeper put its generations under another root, which was drawn for it. */
const rootRotation = object({
  type: oneOf('root-rotation'),
  /** The root's id: SHA-256 of what says where its key is to be had. */
  root: hexText(32),
  /** How the root's key is kept; of shares, how many of how many open. */
  provider: oneOf('passphrase', 'shares', 'pkcs11'),
  threshold: nullable(integer(2, SHARES_MAX)),
  shares: nullable(integer(2, SHARES_MAX)),
  reason: text(200),
  time,
});

/** Two administrators have the keeper draw its next generation, wrap every key anew, and destroy the past one. */
const generationRotation = object({
  type: oneOf('generation-rotation'),
  /** Counts them: an instance is made with version 0. */
  version: integer(1, GENERATION_ROTATIONS_MAX),
  reason: text(200),
  time,
});

/**
 * The keeper has carried out what two administrators ordered, in its own words and signed with its key: it has adopted the
 * root, and the one before opens nothing; or it has wrapped every key anew, and destroyed the generation before.
 */
const carriedOut = object({
  type: oneOf('carried-out'),
  /** The hash of the order, a root-rotation or generation-rotation. It settles those of its kind before it. */
  order: hexText(32),
  time,
});

const selectorsRoot = object({ count: integer(1, SUBJECTS_MAX), root: hexText(32) });

/** Until when, and on which ground of the seal rules, a look-up is withheld from whom it is about. */
const seal = object({ ground: iri, until: date });

/** An officer's question. The selectors stand beside it, each with a salt, under one signed root. */
const request = object({
  type: oneOf('request'),
  purpose: iri,
  legalBasis: iri,
  authority: text(200),
  case: text(100),
  selectors: selectorsRoot,
  holdings: list(object({ holding: slug, groups: set(slug, 1, 40) }), 1, 8),
  /** Null: it stands on the subject's own chain at once. */
  seal: nullable(seal),
  /** Counts this key's requests: two requests under one number suspend the key. */
  sequence: integer(1),
  nonce,
  time,
});

/** An officer's wish to withhold what is sealed for longer, before it opens: on a ground stated anew. */
const sealExtension = object({
  type: oneOf('seal-extension'),
  /** Index of the sealed leaf. */
  seal: integer(0),
  ground: iri,
  until: date,
  nonce,
  time,
});

/** A second person's signature over the hash of a request, or of a seal's extension. */
const approval = object({
  type: oneOf('approval'),
  request: hexText(32),
  nonce,
  time,
});

const identifier = object({ type: oneOf('cnic', 'msisdn'), value: text(32, /^\+?\d+$/, 'digits') });

/** A person's access code, handed out by the registrar: the hash of a code the registrar's machine drew. */
const code = object({
  type: oneOf('code'),
  identifier,
  codeHash: hexText(32),
  nonce,
  time,
});

/** Two administrators put a subject under protection, or end it. */
const protection = object({
  type: oneOf('protection'),
  identifier,
  protected: boolean,
  reason: text(200),
  nonce,
  time,
});

/** Two administrators erase a person: the key of whatever one controller's holdings have of her is destroyed. */
const erasure = object({
  type: oneOf('erasure'),
  controller: slug,
  identifier,
  /** The ground: it is sealed into her history, and stands nowhere else. */
  reason: text(200),
  nonce,
  time,
});

/** Readers of every document that may stand in a public leaf. */
export const publicDocuments = {
  genesis,
  agency,
  certificate,
  revocation,
  declaration,
  grants,
  'import-begun': importBegun,
  'import-ended': importEnded,
  'refusals-counted': refusalsCounted,
  witnesses,
  'log-key': logKey,
  'broken-glass': brokenGlass,
  'broken-glass-counted': brokenGlassCounted,
  'seal-rules': sealRules,
  'seals-counted': sealsCounted,
  expiry,
  'expiry-announced': expiryAnnounced,
  'root-rotation': rootRotation,
  'generation-rotation': generationRotation,
  'carried-out': carriedOut,
} as const;

/** Public documents that two administrators sign. */
export const TWO_PERSON_TYPES = [
  'agency',
  'certificate',
  'revocation',
  'declaration',
  'grants',
  'witnesses',
  'log-key',
  'root-rotation',
  'generation-rotation',
  'broken-glass',
  'seal-rules',
  'expiry-announced',
] as const satisfies readonly (keyof typeof publicDocuments)[];
export type TwoPersonType = (typeof TWO_PERSON_TYPES)[number];

/**
 * Readers of the documents about a person, which reach the keeper and never a public leaf. Of them a code and a
 * protection concern her whoever keeps her records: those are the keeper's `PersonalDocument`.
 */
export const personalDocuments = {
  request,
  approval,
  code,
  protection,
  erasure,
  'seal-extension': sealExtension,
} as const;

const documents = { ...publicDocuments, ...personalDocuments } as const;

export type DocumentType = keyof typeof documents;
export type PublicDocumentType = keyof typeof publicDocuments;
/** Every type of document that may stand in a public leaf. */
export const publicTypes = Object.keys(publicDocuments) as readonly PublicDocumentType[];
/** The document of a type. */
export type DocumentOf<T extends DocumentType> = Read<(typeof documents)[T]>;
export type PublicDocument = { [T in PublicDocumentType]: DocumentOf<T> }[PublicDocumentType];

export type Genesis = DocumentOf<'genesis'>;
export type Agency = DocumentOf<'agency'>;
export type Certificate = DocumentOf<'certificate'>;
export type Declaration = DocumentOf<'declaration'>;
export type DeclaredField = Declaration['fields'][number];
export type Grants = DocumentOf<'grants'>;
export type GrantRow = Grants['rows'][number];
export type ImportBegun = DocumentOf<'import-begun'>;
export type ImportEnded = DocumentOf<'import-ended'>;
export type Witnesses = DocumentOf<'witnesses'>;
export type LogKeyDocument = DocumentOf<'log-key'>;
export type SealRules = DocumentOf<'seal-rules'>;
export type SealsCounted = DocumentOf<'seals-counted'>;
export type RootRotation = DocumentOf<'root-rotation'>;
export type GenerationRotation = DocumentOf<'generation-rotation'>;
export type Request = DocumentOf<'request'>;
export type Seal = NonNullable<Request['seal']>;
export type SealExtension = DocumentOf<'seal-extension'>;
export type Approval = DocumentOf<'approval'>;
export type Identifier = Read<typeof identifier>;

/**
 * Reads a document of one of the given types from its canonical text.
 * @throws CoreError 'bad-document'
 */
export function readDocument<const T extends DocumentType>(
  document: string,
  ...types: readonly T[]
): DocumentOf<T> {
  const source = parseCanonical(document);
  const type = types.find((candidate) => candidate === source.type);
  if (type === undefined) {
    throw new CoreError('bad-document', `type: expected one of ${types.join(', ')}`);
  }
  const found = documents[type](source, '');
  if (found.type === 'declaration') checkDeclaration(found);
  if (found.type === 'witnesses') checkWitnesses(found);
  if (found.type === 'log-key') orBadDocument('key', () => parseVerifierKey(found.key));
  if (found.type === 'seal-rules') checkSealRules(found);
  if (found.type === 'root-rotation') checkRootRotation(found);
  if (found.type === 'request') {
    const holdings = new Set(found.holdings.map(({ holding }) => holding));
    if (holdings.size !== found.holdings.length) {
      throw new CoreError('bad-document', 'holdings: one is named twice');
    }
  }
  return found as DocumentOf<T>;
}

/** As {@link readDocument}; null where the text is no document of these types. */
export function readDocumentOrNull<const T extends DocumentType>(
  document: string,
  ...types: readonly T[]
): DocumentOf<T> | null {
  try {
    return readDocument(document, ...types);
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

/** Reads any document that may stand in a public leaf. @throws CoreError 'bad-document' */
export function readPublicDocument(document: string): PublicDocument {
  return readDocument(document, ...publicTypes);
}

/** The text of a document, after the same checks that reading it makes. @throws CoreError 'bad-document' */
export function writeDocument<T extends DocumentType>(document: DocumentOf<T>): string {
  const written = canonicalText(document as unknown as Json);
  readDocument(written, document.type as T);
  return written;
}

/** What quorums must be, so that two of them have an honest witness in common. @throws CoreError 'bad-document' */
function checkWitnesses({ witnesses, quorum, faulty, breakGlass }: Witnesses): void {
  const count = witnesses.length;
  if (quorum > count || 2 * quorum <= count + faulty) {
    throw new CoreError(
      'bad-document',
      'quorum: expected twice the quorum over witnesses and faulty',
    );
  }
  if (breakGlass !== null && breakGlass.quorum >= quorum) {
    throw new CoreError('bad-document', 'breakGlass.quorum: expected less than the quorum');
  }
  const keys = witnesses.map(({ key }) => orBadDocument('witnesses', () => parseCosignerKey(key)));
  // One witness under two names or with two keys would count twice.
  for (const identify of [nameOf, ({ publicKey }: CosignerKey) => hex(publicKey)]) {
    if (new Set(keys.map(identify)).size !== count) {
      throw new CoreError('bad-document', 'witnesses: one stands there twice');
    }
  }
  if (!witnesses.every(({ url }) => URL.canParse(url))) {
    throw new CoreError('bad-document', 'witnesses: expected addresses that can be called');
  }
}

/** Shares are named for a root that is shared out, and for no other. @throws CoreError 'bad-document' */
function checkRootRotation({ provider, threshold, shares }: RootRotation): void {
  const isShared = provider === 'shares';
  const areNamed = threshold !== null && shares !== null && threshold <= shares;
  if (isShared ? !areNamed : threshold !== null || shares !== null) {
    throw new CoreError('bad-document', 'shares: expected with a threshold, for shares alone');
  }
}

/** @throws CoreError 'bad-document' where one ground or one agency would have two bounds */
function checkSealRules({ grounds, agencies }: SealRules): void {
  const isOnce = (names: readonly string[]) => new Set(names).size === names.length;
  if (!isOnce(grounds.map(({ ground }) => ground))) {
    throw new CoreError('bad-document', 'grounds: one stands there twice');
  }
  if (!isOnce(agencies.map(({ agency }) => agency))) {
    throw new CoreError('bad-document', 'agencies: one stands there twice');
  }
}

function nameOf({ name }: CosignerKey): string {
  return name;
}

function orBadDocument<T>(member: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CoreError)) throw cause;
    throw new CoreError('bad-document', `${member}: ${cause.message}`, { cause });
  }
}

/** What the members of a declaration owe one another. @throws CoreError 'bad-document' */
function checkDeclaration(found: Declaration): void {
  const names = new Set(found.fields.map((each) => each.name));
  const refuse = (message: string): never => {
    throw new CoreError('bad-document', message);
  };
  if (names.size !== found.fields.length) refuse('fields: two have one name');
  const primary = found.fields.filter((each) => each.identifier === 'primary');
  if (
    primary.length !== 1 ||
    primary[0]?.type !== found.primaryIdentifier ||
    !primary[0].required
  ) {
    refuse('fields: expected exactly one primary identifier, required, of the declared type');
  }
  if (found.fields.filter((each) => each.identifier === 'secondary').length > SECONDARY_MAX) {
    refuse(`fields: expected at most ${SECONDARY_MAX} secondary identifiers`);
  }
  for (const each of found.fields) {
    if (each.identifier === 'secondary' && each.type !== 'msisdn') {
      refuse(`fields.${each.name}: expected a secondary identifier to be an msisdn`);
    }
    if ((each.type === 'enum') !== (each.values !== null)) {
      refuse(`fields.${each.name}.values: expected values for an enum and for nothing else`);
    }
  }
  for (const name of found.recordKey) {
    if (!names.has(name)) refuse('recordKey: names a field that is not declared');
  }
  if (found.eventDate !== null) {
    const event = found.fields.find((each) => each.name === found.eventDate);
    if (!event?.required || (event.type !== 'date' && event.type !== 'datetime')) {
      refuse('eventDate: expected a required date field');
    }
  }
}
