import { base64, fromBase64, hex } from '../bytes.ts';
import { CoreError } from '../errors.ts';
import { notePublicKey } from '../keys/cosign.ts';
import type { PublicKey } from '../keys/sign.ts';
import { parsePublicKey, verify } from '../keys/sign.ts';
import type { PublicLeaf } from '../log/entry.ts';
import type { CosignerKey } from '../log/note.ts';
import { parseCosignerKey, parseVerifierKey } from '../log/note.ts';
import type {
  Agency,
  Certificate,
  Declaration,
  DocumentOf,
  GenerationRotation,
  Genesis,
  Grants,
  ImportBegun,
  LogKeyDocument,
  PublicDocument,
  RootRotation,
  SealRules,
  SealsCounted,
  Signed,
  Witnesses,
} from './documents.ts';
import { documentHash, readDocumentOrNull, readPublicDocument, signingInput } from './documents.ts';

/** Sealed look-ups are told by agency and month; so many of these are kept, the latest. */
const SEAL_COUNTS_KEPT = 2400;
/** How long the glass may stay broken. */
const BROKEN_MS_MAX = 24 * 3_600_000;

/** How many activation delays old a document is that is taken in late. One delay old it is not entered: see below. */
const LATE_DELAYS = 2;
/** A month's keys are destroyed a day after its end: an event's day is told by the clock of the place where it happened. */
const EXPIRY_GRACE_MS = 86_400_000;
/** Public days before a month expires that is not over. */
const EXPIRY_ANNOUNCED_MS = 7 * 86_400_000;
/** How old an announcement may be when it is entered: signed long before, its seven days would not be public. */
const EXPIRY_SIGNED_MS_MAX = 86_400_000;

/** When a holding's month is due to expire, in milliseconds since 1970. */
export function expiresFrom(month: string): number {
  const [year, number] = [Number(month.slice(0, 4)), Number(month.slice(5))];
  return Date.UTC(year, number) + EXPIRY_GRACE_MS;
}

/** Why a public entry gives nobody anything. It stays in the log, inert. */
export type EntryRefusal =
  | 'malformed'
  | 'no-genesis'
  | 'second-genesis'
  | 'not-two-administrators'
  | 'not-the-importer'
  | 'not-the-keeper'
  | 'unsigned-expected'
  | 'version-not-next'
  | 'key-taken'
  | 'undeclared-holding'
  | 'unknown-agency'
  | 'unknown-import'
  | 'signed-long-ago'
  | 'unknown-order'
  | 'unknown-key'
  | 'primary-changed'
  | 'no-break-glass'
  | 'not-the-log'
  | 'not-due'
  | 'already-expired'
  | 'not-of-today'
  | 'replayed';

/** What an agency's sealed look-ups came to in a month. */
export type SealCount = SealsCounted['counts'][number];

/** Why a key's signature carries no authority. */
export type KeyRefusal = 'unknown-key' | 'not-yet-active' | 'revoked-key' | 'expired-key';

/** A document in force from a moment on. */
interface InForce<T> {
  readonly document: T;
  readonly from: number;
  readonly index: number;
  /** From when on the version before it is not, where that is before `from`. */
  readonly endsLast?: number;
}

/** A person's certified key. */
export interface CertifiedKey {
  readonly certificate: Certificate;
  readonly key: PublicKey;
  readonly from: number;
}

/** An import that its importer announced. */
export interface AnnouncedImport {
  readonly index: number;
  readonly document: ImportBegun;
  readonly importer: CertifiedKey;
  /** As it was in force when the import was announced: its rows are written by this one to the end. */
  readonly declaration: Declaration;
  ended: boolean;
}

/** Who has to cosign checkpoints, with the witnesses' keys parsed. */
export interface Witnessing {
  readonly document: Witnesses;
  /** In the document's order. */
  readonly keys: readonly CosignerKey[];
  readonly index: number;
}

/** A key that signs the log's checkpoints, and the leaf from which on it does. */
export interface AppointedLogKey {
  /** The verifier key, as C2SP signed-note writes it. */
  readonly key: string;
  readonly index: number;
  /** Until when the key before it signs too, in milliseconds since 1970; 0 for the first, which follows none. */
  readonly bothUntil: number;
}

/** A holding's month whose key is destroyed, and the index of the entry by which it was. */
export interface ExpiredMonth {
  readonly holding: string;
  readonly month: string;
  readonly index: number;
}

/** A holding's month that expires early. */
export interface ExpiringMonth {
  readonly holding: string;
  readonly month: string;
  /** Milliseconds since 1970. */
  readonly from: number;
}

/** What two administrators have the keeper do with its root or its generations. */
export interface Order {
  readonly index: number;
  readonly document: RootRotation | GenerationRotation;
  /** Its document's hash, in hexadecimal. */
  readonly hash: string;
  /** The index of the keeper's word that it, or a later one of its kind, is carried out; null while there is none. */
  readonly settled: number | null;
}

/** How many of its witnesses have to cosign; fewer while the glass is broken, where the document says how many. */
export function quorumOf({ quorum, breakGlass }: Witnesses, isBroken: boolean): number {
  return isBroken ? (breakGlass?.quorum ?? quorum) : quorum;
}

/**
 * What the log's public entries say: who may sign, who may ask, what is declared. Gateway and keeper
 * each build one from the same leaves, in tree order; the keeper trusts nothing else.
 * Times are the caller's, in milliseconds; versions that are not yet in force are kept beside the present one.
 */
export class Register {
  #genesis: Genesis | null = null;
  #administrators: readonly PublicKey[] = [];
  #registrar: PublicKey | null = null;
  readonly #agencies = new Map<string, InForce<Agency>[]>();
  readonly #declarations = new Map<string, InForce<Declaration>[]>();
  readonly #grants: InForce<Grants>[] = [];
  readonly #sealRules: InForce<SealRules>[] = [];
  readonly #sealCounts = new Map<string, SealCount>();
  readonly #witnesses: (InForce<Witnesses> & Witnessing)[] = [];
  #logKeys: readonly AppointedLogKey[] = [];
  #brokenUntil = 0;
  #orders: readonly Order[] = [];
  readonly #keys = new Map<string, CertifiedKey[]>();
  readonly #revoked = new Map<string, number>();
  readonly #imports = new Map<number, AnnouncedImport>();
  /** By holding and month, in the order in which they expired. */
  readonly #expired = new Map<string, ExpiredMonth>();
  /** Months that are to expire early, and from when on they may. */
  readonly #expiring = new Map<string, ExpiringMonth>();
  /** Hashes of what counts once: an announcement would open its whole row limit again, a broken glass fill the log. */
  readonly #announced = new Set<string>();

  get genesis(): Genesis | null {
    return this.#genesis;
  }

  get registrar(): PublicKey | null {
    return this.#registrar;
  }

  /**
   * Takes in the public leaf at `index`, as of `time`. Gives null where it took effect, else why not.
   * A leaf that does not parse, or lacks a signature it needs, is inert: never an exception, because
   * the tree has it already.
   */
  apply(index: number, signed: Signed, time: number): EntryRefusal | null {
    return this.#read(index, signed, time, true);
  }

  /**
   * Whether {@link apply} would take the entry, without taking it; and of an announcement, that it was signed just now,
   * which only its first reader can tell.
   */
  check(signed: Signed, time: number): EntryRefusal | null {
    return this.#read(Number.MAX_SAFE_INTEGER, signed, time, false);
  }

  /** The certified key, or why it has no authority at `time`. */
  key(id: string, time: number): CertifiedKey | KeyRefusal {
    const versions = this.#keys.get(id);
    if (versions === undefined) return 'unknown-key';
    const found = versions.findLast((version) => version.from <= time);
    if (found === undefined) return 'not-yet-active';
    if ((this.#revoked.get(id) ?? 0) >= found.certificate.version) return 'revoked-key';
    return time >= found.certificate.notAfter ? 'expired-key' : found;
  }

  /** The public key of a certificate, whatever its state: to check a signature before its authority. */
  publicKey(id: string): PublicKey | null {
    return this.#keys.get(id)?.at(-1)?.key ?? null;
  }

  /** The agency as it is in force at `time`. */
  agency(id: string, time: number): Agency | null {
    return inForce(this.#agencies.get(id) ?? [], time)?.document ?? null;
  }

  /** Every agency in force at `time`. */
  agencies(time: number): readonly Agency[] {
    return [...this.#agencies.keys()].flatMap((id) => this.agency(id, time) ?? []);
  }

  /** The grants table in force at `time`. */
  grants(time: number): Grants | null {
    return inForce(this.#grants, time)?.document ?? null;
  }

  /** By which rules a look-up may be withheld at `time`; null: none is. */
  sealRules(time: number): SealRules | null {
    return inForce(this.#sealRules, time)?.document ?? null;
  }

  /** The keeper's counts of sealed look-ups, by agency and month, in the order in which they were last told. */
  get sealCounts(): readonly SealCount[] {
    return [...this.#sealCounts.values()];
  }

  /** Who has to cosign checkpoints at `time`, by the entries before `size`; null until witnesses are appointed. */
  witnessing(time: number, size = Number.POSITIVE_INFINITY): Witnessing | null {
    return this.#witnesses.findLast(({ from, index }) => from <= time && index < size) ?? null;
  }

  /** Who has to at `time`, and then each that follows by the entries so far; nobody until witnesses are appointed. */
  witnessingsSince(time: number): readonly Witnessing[] {
    const at = this.#witnesses.findLastIndex(({ from }) => from <= time);
    return at < 0 ? [] : this.#witnesses.slice(at);
  }

  /** Until when the smaller quorum does at `time`; null where the glass is whole. */
  brokenUntil(time: number): number | null {
    return this.#brokenUntil > time ? this.#brokenUntil : null;
  }

  /** The keys that have signed the log's checkpoints, in their order; none before there is a genesis. */
  get logKeys(): readonly AppointedLogKey[] {
    return this.#logKeys;
  }

  /**
   * The verifier key that has to have signed a tree which ends with these entries behind the ones that were taken in:
   * each key is named by the one before it. Null before there is a genesis.
   */
  logKeyAfter(entries: readonly Signed[]): string | null {
    let keys = this.#logKeys;
    for (const signed of entries) {
      const document = readDocumentOrNull(signed.document, 'log-key');
      if (document === null) continue;
      const next = this.#nextLogKey(document, signed, keys, Number.MAX_SAFE_INTEGER);
      if (typeof next !== 'string') keys = [...keys, next];
    }
    return keys.at(-1)?.key ?? null;
  }

  /** By which entry two administrators want the keeper to adopt the root of this id; null where there is none. */
  rootRotation(root: string): RootRotation | null {
    for (const { document } of this.#orders) {
      if (document.type === 'root-rotation' && document.root === root) return document;
    }
    return null;
  }

  /** What was ordered of the keeper's root and generations, in its order. */
  get orders(): readonly Order[] {
    return this.#orders;
  }

  /** Each holding's declaration in force at `time`. */
  declarations(time: number): ReadonlyMap<string, Declaration> {
    const found = new Map<string, Declaration>();
    for (const [holding, versions] of this.#declarations) {
      const current = inForce(versions, time);
      if (current !== null) found.set(holding, current.document);
    }
    return found;
  }

  /** Versions of declarations that are not in force at `time`, with when they will be, in milliseconds. */
  declarationsToCome(
    time: number,
  ): readonly { readonly declaration: Declaration; readonly from: number }[] {
    return [...this.#declarations.values()]
      .flat()
      .filter(({ from }) => from > time)
      .map(({ document, from }) => ({ declaration: document, from }));
  }

  /** One holding's declaration in force at `time`. */
  declaration(holding: string, time: number): Declaration | null {
    return inForce(this.#declarations.get(holding) ?? [], time)?.document ?? null;
  }

  /** The declaration's entry, for whoever wants to look it up in the log. */
  declarationIndex(holding: string, time: number): number | null {
    return inForce(this.#declarations.get(holding) ?? [], time)?.index ?? null;
  }

  /** Every controller of a declaration in force. */
  controllers(time: number): readonly string[] {
    const declarations = this.declarations(time).values();
    return [...new Set([...declarations].map(({ controller }) => controller.id))];
  }

  /** An announced import by the index of its entry. */
  import(index: number): AnnouncedImport | null {
    return this.#imports.get(index) ?? null;
  }

  /** The index of the entry with which a holding's month expired; null where it has not. */
  expiredBy(holding: string, month: string): number | null {
    return this.#expired.get(monthName(holding, month))?.index ?? null;
  }

  /** Every month that has expired, in the order of its entry. */
  expired(): readonly ExpiredMonth[] {
    return [...this.#expired.values()];
  }

  /** Whether a holding's month may expire at `time`, and has not: it is over by a day, or was announced seven days ago. */
  isDue(holding: string, month: string, time: number): boolean {
    const name = monthName(holding, month);
    if (this.#expired.has(name)) return false;
    const announced = this.#expiring.get(name)?.from ?? Number.POSITIVE_INFINITY;
    return time >= Math.min(expiresFrom(month), announced);
  }

  /** Months that were announced to expire early, and have not. */
  expiring(): Iterable<ExpiringMonth> {
    return this.#expiring.values();
  }

  /** Highest version so far, in force or not, so that the next can be written; 0 where there is none. */
  latestVersion(
    document:
      | 'agency'
      | 'declaration'
      | 'grants'
      | 'certificate'
      | 'witnesses'
      | 'seal-rules'
      | 'generation-rotation',
    id: string,
  ): number {
    if (document === 'generation-rotation') return this.#latestGeneration();
    if (document === 'grants') return this.#grants.at(-1)?.document.version ?? 0;
    if (document === 'witnesses') return this.#witnesses.at(-1)?.document.version ?? 0;
    if (document === 'seal-rules') return this.#sealRules.at(-1)?.document.version ?? 0;
    if (document === 'certificate') return this.#keys.get(id)?.at(-1)?.certificate.version ?? 0;
    const versions = document === 'agency' ? this.#agencies.get(id) : this.#declarations.get(id);
    return versions?.at(-1)?.document.version ?? 0;
  }

  /**
   * Whether a document of what may be read is older than its activation delay. It is not to be entered: once it is taken in
   * late, what it replaces ends at once, and for the delay nobody would be allowed anything.
   */
  isSignedLongAgo({ document: text }: Signed, time: number): boolean {
    const document = readDocumentOrNull(text, 'agency', 'grants', 'seal-rules');
    const delay = (this.#genesis?.activationSeconds ?? 0) * 1000;
    return document !== null && delay > 0 && time - document.time >= delay;
  }

  /** Whether two different administrators signed. */
  signedByAdministrators(signed: Signed): boolean {
    return this.#administrators.length === 2 && signedByAll(signed, this.#administrators);
  }

  /** The signer of a document with one signature, if it is this key's. */
  signedBy(signed: Signed, key: PublicKey): boolean {
    return signed.signatures.length === 1 && signedByAll(signed, [key]);
  }

  #read(index: number, signed: Signed, time: number, keep: boolean): EntryRefusal | null {
    try {
      return this.#take(index, readPublicDocument(signed.document), signed, time, keep);
    } catch (error) {
      // A document or a key in it that does not parse.
      if (error instanceof CoreError) return 'malformed';
      throw error;
    }
  }

  #take(
    index: number,
    document: PublicDocument,
    signed: Signed,
    time: number,
    keep: boolean,
  ): EntryRefusal | null {
    if (document.type === 'genesis') {
      if (this.#genesis !== null) return 'second-genesis';
      if (signed.signatures.length !== 0) return 'unsigned-expected';
      this.#begin(document, keep);
      return null;
    }
    if (this.#genesis === null) return 'no-genesis';
    if (document.type === 'import-begun') {
      const announced = this.#announcement(signed, document, time);
      if (typeof announced === 'string') return announced;
      const hash = hex(documentHash(signed.document));
      if (this.#announced.has(hash)) return 'replayed';
      if (keep) {
        this.#announced.add(hash);
        this.#imports.set(index, { index, document, ...announced, ended: false });
      }
      return null;
    }
    if (document.type === 'expiry') {
      const { holding, month } = document;
      if (signed.signatures.length !== 0) return 'unsigned-expected';
      if (this.#expired.has(monthName(holding, month))) return 'already-expired';
      if (!this.#declarations.has(holding)) return 'undeclared-holding';
      if (!this.isDue(holding, month, time)) return 'not-due';
      if (keep) {
        this.#expired.set(monthName(holding, month), { holding, month, index });
        this.#expiring.delete(monthName(holding, month));
      }
      return null;
    }
    if (
      document.type === 'import-ended' ||
      document.type === 'refusals-counted' ||
      document.type === 'broken-glass-counted'
    ) {
      if (signed.signatures.length !== 0) return 'unsigned-expected';
      if (document.type !== 'import-ended') return null;
      const begun = this.#imports.get(document.import);
      if (begun === undefined || begun.ended) return 'unknown-import';
      if (keep) begun.ended = true;
      return null;
    }
    if (document.type === 'log-key') {
      const next = this.#nextLogKey(document, signed, this.#logKeys, index);
      if (typeof next === 'string') return next;
      if (keep) this.#logKeys = [...this.#logKeys, next];
      return null;
    }
    if (document.type === 'seals-counted') {
      if (!this.signedBy(signed, parsePublicKey(this.#genesis.keeperKey))) return 'not-the-keeper';
      if (keep) this.#countSeals(document);
      return null;
    }
    if (document.type === 'carried-out') {
      if (!this.signedBy(signed, parsePublicKey(this.#genesis.keeperKey))) return 'not-the-keeper';
      const order = this.#orders.find(({ hash }) => hash === document.order);
      if (order === undefined) return 'unknown-order';
      if (order.settled !== null) return 'replayed';
      if (keep) this.#settle(order, index);
      return null;
    }
    if (!this.signedByAdministrators(signed)) return 'not-two-administrators';
    const delay = this.#genesis.activationSeconds * 1000;
    const from = time + delay;
    // Taken in so late, by a keeper that was put back, what it replaces ends at once. It still gives nothing before its
    // delay is over, which its signers could otherwise date away.
    const isLate = 'time' in document && time - document.time >= LATE_DELAYS * delay;
    const endsLast = isLate ? time : from;
    switch (document.type) {
      case 'agency': {
        const next = { document, from, index, endsLast };
        return addVersionOf(this.#agencies, document.agency, next, keep);
      }
      case 'declaration': {
        const previous = this.#declarations.get(document.holding)?.at(-1)?.document;
        // Subject ids hang on the controller and the primary identifier: a new one is a new holding.
        if (previous !== undefined && previous.controller.id !== document.controller.id) {
          return 'primary-changed';
        }
        return addVersionOf(this.#declarations, document.holding, { document, from, index }, keep);
      }
      case 'grants':
        return addVersion(this.#grants, { document, from, index, endsLast }, keep);
      case 'witnesses': {
        const keys = document.witnesses.map(({ key }) => parseCosignerKey(key));
        return addVersion(this.#witnesses, { document, keys, from, index }, keep);
      }
      case 'seal-rules':
        return addVersion(this.#sealRules, { document, from, index, endsLast }, keep);
      case 'broken-glass': {
        const policy = this.witnessing(time)?.document.breakGlass ?? null;
        const isTimely = document.until > time && document.until <= time + BROKEN_MS_MAX;
        if (policy === null || !isTimely) return 'no-break-glass';
        const hash = hex(documentHash(signed.document));
        if (this.#announced.has(hash)) return 'replayed';
        if (keep) {
          this.#announced.add(hash);
          this.#brokenUntil = Math.max(this.#brokenUntil, document.until);
        }
        return null;
      }
      case 'expiry-announced':
        return this.#announceExpiry(document, time, keep);
      // Both at once: they give nobody a right, and may be wanted in haste.
      case 'root-rotation':
        if (this.rootRotation(document.root) !== null) return 'replayed';
        if (keep) this.#order(index, document, signed);
        return null;
      case 'generation-rotation':
        if (document.version !== this.#latestGeneration() + 1) return 'version-not-next';
        if (keep) this.#order(index, document, signed);
        return null;
      case 'certificate':
        return this.#certify(document, from, keep);
      case 'revocation': {
        const certified = this.#keys.get(document.key)?.at(-1);
        if (certified === undefined) return 'unknown-key';
        if (document.version < certified.certificate.version) return 'version-not-next';
        if (document.version <= (this.#revoked.get(document.key) ?? 0)) return 'version-not-next';
        // At once: waiting protects against a hasty grant, never against a stolen key.
        if (keep) this.#revoked.set(document.key, document.version);
        return null;
      }
    }
  }

  #latestGeneration(): number {
    const versions = this.#orders.map(({ document }) =>
      document.type === 'generation-rotation' ? document.version : 0,
    );
    return Math.max(0, ...versions);
  }

  #order(index: number, document: Order['document'], { document: text }: Signed): void {
    const hash = hex(documentHash(text));
    this.#orders = [...this.#orders, { index, document, hash, settled: null }];
  }

  /** What was ordered before it and drawn is worth nothing any more, or is part of what is done now. */
  #settle(last: Order, settled: number): void {
    const until = this.#orders.indexOf(last);
    this.#orders = this.#orders.map((order, at) => {
      const isMeant = at <= until && order.document.type === last.document.type;
      return isMeant && order.settled === null ? { ...order, settled } : order;
    });
  }

  #countSeals({ counts }: SealsCounted): void {
    for (const each of counts) {
      const key = `${each.month} ${each.agency}`;
      this.#sealCounts.delete(key);
      this.#sealCounts.set(key, each);
    }
    for (const key of this.#sealCounts.keys()) {
      if (this.#sealCounts.size <= SEAL_COUNTS_KEPT) return;
      this.#sealCounts.delete(key);
    }
  }

  /** Its authority is not a signature but that whoever builds a register pins this very document. */
  #begin(genesis: Genesis, keep: boolean): void {
    const administrators = genesis.administrators.map(parsePublicKey);
    const registrar = parsePublicKey(genesis.registrar);
    if (!keep) return;
    this.#registrar = registrar;
    this.#administrators = administrators;
    this.#genesis = genesis;
    this.#logKeys = [{ key: genesis.logKey, index: 0, bothUntil: 0 }];
  }

  /**
   * Whoever has taken the log's key names no other by it alone, nor do two administrators name one for a log that they do
   * not hold, or one that it has not.
   */
  #nextLogKey(
    document: LogKeyDocument,
    signed: Signed,
    keys: readonly AppointedLogKey[],
    index: number,
  ): AppointedLogKey | EntryRefusal {
    const present = keys.at(-1);
    if (this.#genesis === null || present === undefined) return 'no-genesis';
    if (document.version !== keys.length) return 'version-not-next';
    if (keys.some(({ key }) => key === document.key)) return 'key-taken';
    const logs = signersOf([present.key, document.key]);
    if (logs?.at(-1)?.name !== this.#genesis.origin) return 'malformed';
    const all = [...this.#administrators, ...logs.map(({ publicKey }) => publicKey)];
    if (signedByAll(signed, all))
      return { key: document.key, index, bothUntil: document.bothUntil };
    const administrators = this.#administrators.map(({ id }) => id);
    const theirs = signed.signatures.filter(({ key }) => administrators.includes(key));
    const isTheirs = this.signedByAdministrators({ ...signed, signatures: theirs });
    return isTheirs ? 'not-the-log' : 'not-two-administrators';
  }

  #announcement(
    signed: Signed,
    document: ImportBegun,
    time: number,
  ): Pick<AnnouncedImport, 'importer' | 'declaration'> | EntryRefusal {
    const [signature] = signed.signatures;
    const declaration = this.declaration(document.holding, time);
    if (declaration === null) return 'undeclared-holding';
    const importer = signature === undefined ? 'unknown-key' : this.key(signature.key, time);
    if (typeof importer === 'string') return 'not-the-importer';
    const { role, agency } = importer.certificate;
    if (role !== 'importer' || agency !== declaration.controller.id) return 'not-the-importer';
    return this.signedBy(signed, importer.key) ? { importer, declaration } : 'not-the-importer';
  }

  #announceExpiry(
    { holding, month, time: signed }: DocumentOf<'expiry-announced'>,
    time: number,
    keep: boolean,
  ): EntryRefusal | null {
    const name = monthName(holding, month);
    if (!this.#declarations.has(holding)) return 'undeclared-holding';
    if (this.#expired.has(name)) return 'already-expired';
    if (this.#expiring.has(name)) return 'replayed';
    // Its days count from its own time, whoever takes it in and when: a keeper that was put back finds due what was.
    if (!keep && Math.abs(time - signed) > EXPIRY_SIGNED_MS_MAX) return 'not-of-today';
    if (keep) this.#expiring.set(name, { holding, month, from: signed + EXPIRY_ANNOUNCED_MS });
    return null;
  }

  #certify(certificate: Certificate, from: number, keep: boolean): EntryRefusal | null {
    const key = parsePublicKey(certificate.key);
    const versions = this.#keys.get(key.id) ?? [];
    const previous = versions.at(-1)?.certificate;
    if (previous !== undefined && previous.person !== certificate.person) return 'key-taken';
    const least = Math.max(previous?.version ?? 0, this.#revoked.get(key.id) ?? 0) + 1;
    if (certificate.version !== least) return 'version-not-next';
    const known =
      certificate.role === 'importer'
        ? [...this.#declarations.values()].some((each) =>
            each.some((version) => version.document.controller.id === certificate.agency),
          )
        : this.#agencies.has(certificate.agency);
    if (!known) return 'unknown-agency';
    if (keep) this.#keys.set(key.id, [...versions, { certificate, key, from }]);
    return null;
  }
}

function addVersion<T extends InForce<{ readonly version: number }>>(
  versions: T[],
  next: T,
  keep: boolean,
): EntryRefusal | null {
  const version = versions.at(-1)?.document.version ?? 0;
  if (next.document.version !== version + 1) return 'version-not-next';
  if (keep) versions.push(next);
  return null;
}

/** The same of one of several that have versions; what is not taken leaves no trace of its id. */
function addVersionOf<T extends InForce<{ readonly version: number }>>(
  all: Map<string, T[]>,
  id: string,
  next: T,
  keep: boolean,
): EntryRefusal | null {
  const versions = all.get(id) ?? [];
  const refused = addVersion(versions, next, keep);
  if (keep && refused === null) all.set(id, versions);
  return refused;
}

function inForce<T>(versions: readonly InForce<T>[], time: number): InForce<T> | null {
  const last = versions.findLast(({ from, endsLast }) => (endsLast ?? from) <= time);
  return last !== undefined && last.from <= time ? last : null;
}

/** Verifier keys' names, and the keys as they sign documents; null where one does not parse. */
function signersOf(
  keys: readonly string[],
): readonly { readonly name: string; readonly publicKey: PublicKey }[] | null {
  try {
    return keys.map((text) => {
      const key = parseVerifierKey(text);
      return { name: key.name, publicKey: notePublicKey(key) };
    });
  } catch (error) {
    if (error instanceof CoreError) return null;
    throw error;
  }
}

function monthName(holding: string, month: string): string {
  return `${holding} ${month}`;
}

function signedByAll(signed: Signed, keys: readonly PublicKey[]): boolean {
  if (signed.signatures.length !== keys.length) return false;
  const input = signingInput(signed.document);
  return keys.every((key) => {
    const found = signed.signatures.find((each) => each.key === key.id);
    if (found === undefined) return false;
    try {
      return verify(key, input, fromBase64(found.signature));
    } catch (error) {
      // Not base64: no signature, and nothing worse.
      if (error instanceof CoreError) return false;
      throw error;
    }
  });
}

/** A public leaf's document and signatures in the form that people sign and send. */
export function signedLeaf(leaf: PublicLeaf): Signed {
  const signatures = leaf.signatures.map(({ key, signature }) => ({
    key,
    signature: base64(signature),
  }));
  return { document: leaf.document, signatures };
}
