import { base64, hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { Register } from '@amanat/core/grants';
import { deriveKey, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import { encodePersonalLeaf, leafHash } from '@amanat/core/log';
import type { RecordRead, Statement, StatementKind } from '@amanat/core/statement';
import { commitTo, encodeBody, leafOf } from '@amanat/core/statement';
import { bodyAad, sealedBodyAad } from '@amanat/core/view';
import type { KeyRing } from './key-ring.ts';
import type { Draft, LookUps, PendingLookUp } from './look-ups.ts';
import { countGroups, OPEN_MS } from './look-ups.ts';
import type { PreparedLookUp } from './prepared.ts';
import { joinPrepared } from './prepared.ts';
import type { Messages, PrepareItem, PrepareRefusal } from './protocol.ts';
import type { Seals } from './seals.ts';
import type { Shredding } from './shredding.ts';
import type { Subjects } from './subjects.ts';

const NONCE_BYTES = 32;
/** Record groups that one statement may name, and all that are prepared at once: 16 MiB of keys in one commit's answer. */
const STATEMENT_GROUPS_MAX = 16_384;
const PREPARED_GROUPS_MAX = 524_288;

/** What takes effect with its entry and releases nothing, whoever is there to be told. */
const TAKE_EFFECT: ReadonlySet<StatementKind> = new Set([
  'code',
  'protected',
  'unprotected',
  'seal-extended',
  'opened',
  'erased',
]);

/** The body key of a subject's n-th entry: what her view is given, and the operator never. @param key her V, or W */
export function bodyKey(key: Uint8Array, number: number): Buffer {
  return deriveKey(key, 'amanat/v1 body', String(number));
}

export interface PreparingDeps {
  readonly ring: KeyRing;
  readonly register: Register;
  readonly subjects: Subjects;
  readonly lookUps: LookUps;
  readonly seals: Seals;
  readonly shredding: Shredding;
  /** Ends the view, if any, that waits for this look-up's entry. */
  readonly giveUpView: (lookUp: number) => void;
}

/** Writes the statements of look-ups, gives them their numbers, and what the log is to hold of each. */
export class Preparing {
  readonly #deps: PreparingDeps;

  constructor(deps: PreparingDeps) {
    this.#deps = deps;
  }

  /** Prepares look-ups in their order. Changes nothing that is durable, but that the leaf of what is sealed is noted. */
  prepare(
    { lookUps }: Messages['prepare']['ask'],
    now: number,
  ): { answer: Messages['prepare']['answer']; attachment: Buffer } {
    return joinPrepared(lookUps.map((item) => this.#prepareOne(item, now)));
  }

  #prepareOne(item: PrepareItem, now: number): PreparedLookUp {
    const lookUp = this.#deps.lookUps.find(item.id);
    if (lookUp === null) return { id: item.id, refused: 'unknown-look-up' };
    const refused = this.#checkRecords(lookUp, item, now);
    if (refused !== null) return { id: item.id, refused };
    // Asked again: the leaf that was prepared before is void from here on.
    if (lookUp.prepare !== null) this.#deps.lookUps.void(lookUp);
    const groups = countGroups(item.records);
    if (
      groups > STATEMENT_GROUPS_MAX ||
      this.#deps.lookUps.groupsNamed + groups > PREPARED_GROUPS_MAX
    ) {
      return { id: item.id, refused: 'too-many-records' };
    }
    try {
      return this.#write(lookUp, item, now);
    } catch (error) {
      // Too long for a document: the gateway may still give the look-up up.
      if (error instanceof CoreError) return { id: item.id, refused: 'malformed' };
      throw error;
    }
  }

  #write(lookUp: PendingLookUp, item: PrepareItem, now: number): PreparedLookUp {
    const { ring, subjects, lookUps } = this.#deps;
    const { subject, draft } = lookUp;
    const isSealed = draft.seal !== null;
    const last = isSealed ? subjects.sealedNumber(subject) : subjects.chain(subject).number;
    const number = last + lookUps.preparedCount(lookUp) + 1;
    const kind = kindOf(draft, item);
    // In the order of a document's members, which spares the writer sorting them.
    const statement: Statement = {
      agency: draft.agency,
      approved: draft.approved,
      controller: draft.controller,
      evidence: draft.evidence,
      kind,
      legalBasis: draft.legalBasis,
      number,
      officer: draft.officer,
      purpose: draft.purpose,
      reads: draft.reads,
      records: item.records,
      refusal: draft.refusal,
      seal: draft.seal,
      seals: this.#deps.seals.citedBy(draft),
      subject: hex(subject),
      time: now,
      token: kind === 'erased' ? base64(this.#deps.shredding.token(subject)) : null,
      type: 'statement',
    };
    const body = encodeBody(ring.random(NONCE_BYTES), statement);
    const leaf = encodePersonalLeaf(leafOf(statement, commitTo(body)));
    const chainKey =
      lookUp.chainKey ?? (isSealed ? subjects.sealKey(subject) : subjects.viewKey(subject));
    const sealed = seal(
      secretKey(bodyKey(chainKey, number)),
      body,
      isSealed ? sealedBodyAad(statement.subject, number) : bodyAad(statement.subject, number),
      ring.random(SEAL_NONCE_BYTES),
    );
    // A sign-in that reads as given up in her history must show nothing: she would not know of it.
    if (kind === 'undelivered' && draft.kind === 'sign-in') this.#deps.giveUpView(lookUp.id);
    lookUps.prepare(lookUp, {
      number,
      leafHash: Buffer.from(leafHash(leaf)),
      kind,
      records: item.records,
    });
    return {
      id: lookUp.id,
      kind,
      subject: statement.subject,
      number,
      leaf,
      body: sealed,
      evidence: lookUp.evidence,
    };
  }

  /** I2: only what was asked for may be named, each record and group once. */
  #checkRecords(
    { draft, subject }: PendingLookUp,
    item: PrepareItem,
    now: number,
  ): PrepareRefusal | null {
    if (item.records.length === 0) return null;
    if (item.abandoned || draft.kind !== 'disclosure') return 'not-asked-for';
    // Kept back, it could be used when its officer's key no longer may be.
    if (now > draft.opened + OPEN_MS) return 'too-late';
    if (this.#deps.subjects.isErased(subject)) return 'shredded';
    const asked = new Map(draft.reads.map((read) => [read.holding, new Set(read.groups)]));
    const named = new Set<string>();
    for (const record of item.records) {
      const groups = asked.get(record.holding);
      const declaration = this.#deps.register.declaration(record.holding, now);
      if (groups === undefined || declaration?.controller.id !== draft.controller) {
        return 'not-asked-for';
      }
      if (!isOnce(named, `${record.holding} ${record.record}`)) return 'malformed';
      if (!namesOnly(record, groups)) return 'not-asked-for';
      const isExpired = this.#deps.register.expiredBy(record.holding, record.expiryMonth) !== null;
      if (isExpired) return 'shredded';
    }
    return null;
  }
}

function kindOf(draft: Draft, item: PrepareItem): StatementKind {
  // A gateway must not undo in silence, by giving it up, what takes effect.
  if (item.abandoned && !TAKE_EFFECT.has(draft.kind)) return 'undelivered';
  return draft.kind === 'disclosure' && item.records.length === 0 ? 'miss' : draft.kind;
}

function namesOnly(record: RecordRead, groups: ReadonlySet<string>): boolean {
  const named = new Set<string>();
  return record.groups.every(({ group }) => groups.has(group) && isOnce(named, group));
}

function isOnce(seen: Set<string>, name: string): boolean {
  const { size } = seen;
  return seen.add(name).size > size;
}
