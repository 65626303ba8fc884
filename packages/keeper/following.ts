import { fromHex, hex } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { DocumentOf, Signed } from '@amanat/core/grants';
import { Register, readDocument, readDocumentOrNull, signedLeaf } from '@amanat/core/grants';
import type { PublicKey } from '@amanat/core/keys';
import { deriveRecordKey, notePublicKey, verify } from '@amanat/core/keys';
import type { NoteKey, PersonalLeaf, PublicLeaf } from '@amanat/core/log';
import {
  CompactRange,
  chainStart,
  hourStart,
  leafHash,
  nextChainHash,
  openNote,
  parseCheckpoint,
  parseLeafOrNull,
  parseVerifierKey,
} from '@amanat/core/log';
import type { RecordRead } from '@amanat/core/statement';
import type { KeyRing } from './key-ring.ts';
import type { LookUps, PendingLookUp } from './look-ups.ts';
import { OPEN_MS } from './look-ups.ts';
import type { PersonalDocuments } from './personal-documents.ts';
import type { Messages, Released } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { Seals } from './seals.ts';
import type { Place, Shredding } from './shredding.ts';
import type { KeeperStore } from './store.ts';
import type { Subjects } from './subjects.ts';
import type { Cosigned, Witnessing } from './witnessing.ts';

export interface FollowingDeps {
  readonly store: KeeperStore;
  readonly ring: KeyRing;
  readonly register: Register;
  readonly subjects: Subjects;
  readonly lookUps: LookUps;
  readonly witnessing: Witnessing;
  readonly personal: PersonalDocuments;
  readonly seals: Seals;
  readonly shredding: Shredding;
  /** The pinned document: the log's first leaf. */
  readonly genesis: string;
}

/** Most bytes of entries kept on the way to a checkpoint. */
const STAGED_BYTES_MAX = 64 * 1024 * 1024;
/** What keeping one takes besides its bytes. */
const KEPT_BYTES = 320;
const PUBLIC_START = Buffer.from('amanat/v1 public\n');
/** Leaves that outsiders count by. */
const SEAL_STARTS = ['amanat/v1 sealed ', 'amanat/v1 opened '].map((start) => Buffer.from(start));
const ERASED_START = Buffer.from('amanat/v1 erased ');

/** The key that signs the log, as it is written and as it verifies. */
interface LogKey {
  readonly text: string;
  readonly key: NoteKey;
  readonly publicKey: PublicKey;
}

/** A leaf that may mean something, on the way to its checkpoint. */
interface Kept {
  readonly index: number;
  readonly hash: Buffer;
  readonly leaf: Buffer;
}

/** The tree with what came since the last checkpoint. */
interface Staged {
  readonly range: CompactRange;
  readonly kept: Kept[];
  bytes: number;
}

/** Follows the log: every leaf in tree order, once. The only place from which record keys leave. */
export class Following {
  readonly #deps: FollowingDeps;
  /** What the pinned document says, before the log has its first leaf. */
  readonly #pinned = new Register();
  readonly #origin: string;
  #logKey: LogKey;
  #range: CompactRange;
  #staged: Staged | null = null;
  /** When it first followed the log since its start: by a clock that witnesses vouch for, where there are any. */
  #followsSince: number | null = null;

  constructor(deps: FollowingDeps) {
    this.#deps = deps;
    this.#pinned.apply(0, { document: deps.genesis, signatures: [] }, 0);
    const { origin, logKey } = readDocument(deps.genesis, 'genesis');
    this.#origin = origin;
    this.#logKey = parseLogKey(logKey);
    this.#range = readRange(deps.store);
  }

  get size(): number {
    return this.#range.size;
  }

  get root(): Uint8Array {
    return this.#range.root();
  }

  /**
   * Takes in leaves on the way to a checkpoint that is yet to come: they are hashed, and nothing more. A tree grown
   * by more than one message holds comes in parts, because witnesses cosign only where it ends.
   * @throws Refusal 'too-large' where too much is kept of them; nothing is kept then
   */
  stage(leaves: readonly Buffer[]): void {
    const staged = this.#staged ?? {
      range: CompactRange.from(this.#range.size, this.#range.hashes()),
      kept: [],
      bytes: 0,
    };
    for (const leaf of leaves) {
      const index = staged.range.size;
      const hash = Buffer.from(leafHash(leaf));
      staged.range.append(hash);
      const matters = [PUBLIC_START, ERASED_START, ...SEAL_STARTS].some((start) =>
        begins(leaf, start),
      );
      // Whatever else is about a person was prepared by nobody, and is inert; of seals that is told in public.
      if (!matters && this.#deps.lookUps.findLeaf(hash) === null && index > 0) continue;
      // Out of the message's bytes, which would all be held with it.
      staged.kept.push({ index, hash, leaf: Buffer.from(leaf) });
      staged.bytes += leaf.length + KEPT_BYTES;
    }
    this.#staged = staged.bytes > STAGED_BYTES_MAX ? null : staged;
    if (this.#staged === null) throw new Refusal('too-large', 'too many public entries at once');
  }

  /**
   * Takes in the leaves up to a signed checkpoint that extends everything before it, and that enough witnesses have
   * cosigned (I1), in the caller's transaction, and releases what the wanted statements name (I2). What this range
   * held before is not touched unless all of it is right.
   * @throws Refusal 'bad-checkpoint', 'not-an-extension', 'not-genesis', 'not-witnessed' or 'too-large'
   */
  commit(
    note: string,
    leaves: readonly Buffer[],
    wantedIds: readonly number[],
    now: number,
  ): { answer: Messages['commit']['answer']; attachment: Buffer } {
    this.stage(leaves);
    const { range, kept } = this.#staged as Staged;
    // Right or wrong, what was staged is spent: another checkpoint brings its own.
    this.#staged = null;
    const checkpoint = this.#openCheckpoint(note, kept);
    if (checkpoint.size !== range.size || hex(checkpoint.root) !== hex(range.root())) {
      throw new Refusal(
        'not-an-extension',
        'checkpoint does not extend the tree the keeper has seen',
      );
    }
    const [first] = kept;
    if (this.#range.size === 0 && first !== undefined) this.#checkGenesis(first.leaf);
    const { register, witnessing, lookUps } = this.#deps;
    const cosigned = this.#checkWitnesses(note, kept, now);
    if (cosigned.by === 'broken-glass' && bringsWitnesses(register, kept, now)) {
      throw new Refusal('not-witnessed', 'whom a document appoints, the full quorum has to let in');
    }
    witnessing.cover(cosigned);
    this.#followsSince ??= now;

    const wanted = new Set(wantedIds);
    const released: Released[] = [];
    const keys: Buffer[] = [];
    for (const { index, hash, leaf } of kept) {
      const lookUp = lookUps.findLeaf(hash);
      if (lookUp !== null) {
        // Held back, a leaf could be entered when its officer's key no longer may be used.
        const isInTime = now <= lookUp.draft.opened + OPEN_MS;
        const takesKeys = () =>
          isInTime && wanted.has(lookUp.id) && witnessing.takeRelease(cosigned);
        const entered = this.#enter(lookUp, index, hash, takesKeys, now);
        if (entered !== null) {
          released.push({ id: lookUp.id, keys: entered.length });
          keys.push(...entered);
        }
      }
      this.#takeLeaf({ index, hash, leaf }, lookUp, now);
    }
    this.#range = range;
    writeRange(this.#deps.store, range);
    return { answer: { size: range.size, released }, attachment: Buffer.concat(keys) };
  }

  /** By the witnesses as they were before this checkpoint: whom it appoints, those before have to let in. */
  #checkWitnesses(note: string, kept: readonly Kept[], now: number): Cosigned {
    const { register, witnessing } = this.#deps;
    const until = Math.max(register.brokenUntil(now) ?? 0, brokenBy(register, kept, now));
    return witnessing.check(note, now, until);
  }

  /** A gateway has come: what another left staged is nothing to it. */
  forgetStaged(): void {
    this.#staged = null;
  }

  /** Signed by the key that the tree's own leaves name last, or nobody may believe it. */
  #openCheckpoint(note: string, kept: readonly Kept[]) {
    const { register } = this.#deps;
    const known = register.genesis === null ? this.#pinned : register;
    const text = known.logKeyAfter(publicEntries(kept)) ?? this.#logKey.text;
    if (text !== this.#logKey.text) this.#logKey = parseLogKey(text);
    const { key, publicKey } = this.#logKey;
    try {
      const opened = openNote(note, [key], (_key, message, signature) =>
        verify(publicKey, message, signature),
      );
      const checkpoint = parseCheckpoint(opened.text);
      if (checkpoint.origin !== this.#origin) {
        throw new Refusal('bad-checkpoint', 'checkpoint is of another log');
      }
      return checkpoint;
    } catch (cause) {
      if (!(cause instanceof CoreError)) throw cause;
      throw new Refusal('bad-checkpoint', 'checkpoint is not signed by the log', { cause });
    }
  }

  #checkGenesis(leaf: Buffer): void {
    const parsed = parseLeafOrNull(leaf);
    const isPinned =
      parsed?.kind === 'public' &&
      parsed.document === this.#deps.genesis &&
      // Signed, it would be inert in the register, and a later leaf could take its place.
      parsed.signatures.length === 0;
    if (!isPinned) {
      throw new Refusal('not-genesis', 'the first leaf is not the document pinned at init');
    }
  }

  /** Gives a look-up its number if its turn has come; gives its keys if they are wanted. */
  #enter(
    lookUp: PendingLookUp,
    index: number,
    hash: Buffer,
    takesKeys: () => boolean,
    now: number,
  ): readonly Buffer[] | null {
    const { lookUps, seals, store } = this.#deps;
    const { subject, draft } = lookUp;
    const { position, number, kind, records } = lookUp.prepare as NonNullable<
      PendingLookUp['prepare']
    >;
    lookUps.voidBefore(position);
    // Voided with an earlier sibling just now: this leaf is inert, and the look-up open again.
    if (lookUp.prepare === null) {
      if (draft.seal !== null || draft.kind === 'opened') seals.noteInert(index);
      return null;
    }
    this.#number(lookUp, number, index, hash);
    lookUps.enter(lookUp);
    this.#deps.personal.takeEffect(lookUp, kind, now);
    const keysOf = kind === 'disclosure' ? this.#recordKeys(subject, records) : null;
    const isReleased = keysOf !== null && takesKeys();
    const delivered = kind !== 'disclosure' || isReleased;
    seals.takeEffect(lookUp, kind, { index, number, leafHash: hash }, { delivered, now });
    if (!delivered && draft.seal === null) {
      store.run('INSERT INTO undelivered VALUES (?, ?)', subject, number);
    }
    return isReleased ? keysOf() : null;
  }

  /** On her chain, or among what is sealed about her: there only numbers are kept, which nobody is shown a hash of. */
  #number({ subject, draft }: PendingLookUp, number: number, index: number, hash: Buffer): void {
    const { subjects } = this.#deps;
    const isSealed = draft.seal !== null;
    const { number: onChain, chain } = subjects.chain(subject);
    const last = isSealed ? subjects.sealedNumber(subject) : onChain;
    // Whatever would come out of turn was voided with what it came before; a number is never skipped, nor given twice.
    if (number !== last + 1) throw new Error('a number out of turn');
    if (isSealed) subjects.setSealedNumber(subject, number);
    else
      subjects.setChain(subject, number, nextChainHash(chain ?? chainStart(subject), index, hash));
  }

  /** How to derive what is released; null where a key that it needs was destroyed since it was prepared. */
  #recordKeys(subject: Buffer, records: readonly RecordRead[]): (() => readonly Buffer[]) | null {
    const { subjects, ring } = this.#deps;
    const subjectKey = subjects.subjectKey(subject);
    // What was never drawn opens nothing: it is drawn now, so that her answer is of the form of any other.
    if (subjectKey === 'destroyed') return null;
    const read = records.flatMap((record) => {
      const periodKey = ring.periodKey(record.holding, record.expiryMonth);
      return periodKey === null ? [] : [{ record, periodKey }];
    });
    if (read.length < records.length) return null;
    const key = subjectKey ?? (subjects.mention(subject) as Buffer);
    return () =>
      read.flatMap(({ record: { groups, ...name }, periodKey }) => {
        const version = { ...name, subject: hex(subject) };
        return groups.map(({ group, nonce }) =>
          deriveRecordKey(key, periodKey, { ...version, group }, fromHex(nonce)),
        );
      });
  }

  /** What a leaf means to whoever reads it: a shredding, or a document that takes effect. */
  #takeLeaf({ index, hash, leaf: bytes }: Kept, lookUp: PendingLookUp | null, now: number): void {
    const { lookUps, shredding } = this.#deps;
    const leaf = parseLeafOrNull(bytes);
    // One that a look-up stands for was entered.
    if (lookUp === null && (leaf?.kind === 'sealed' || leaf?.kind === 'opened')) {
      this.#takeUnprepared(leaf, index, hash);
    }
    const place = { index, leafHash: hash };
    // Also where this keeper prepared none: one that was put back has forgotten what it prepared.
    const isEntered = lookUp !== null && lookUps.find(lookUp.id) === null;
    if (leaf?.kind === 'erased') shredding.takeErasure(leaf, place, { isEntered, now });
    // A leaf that no reader knows, or that is about nobody known, stays in the tree and means nothing.
    if (leaf?.kind === 'public') this.#takePublic(leaf, place, now);
  }

  /**
   * What opens or extends is inert: this keeper has opened or extended nothing by it. But what seals may be a look-up that
   * it has forgotten, where it was put back from a backup since: it must stay in everybody's count.
   */
  #takeUnprepared(leaf: PersonalLeaf, index: number, hash: Buffer): void {
    const seals = leaf.kind === 'sealed' && leaf.extends === null;
    // Of the hour in which it first followed since its start, it may be from before.
    const isOlder = hourStart(leaf.hour) <= (this.#followsSince ?? 0);
    if (seals && isOlder) this.#deps.lookUps.noteLost(hash, index);
    else this.#deps.seals.noteInert(index);
  }

  #takePublic(leaf: PublicLeaf, place: Place, now: number): void {
    const { index } = place;
    // Only the first leaf can be the genesis: it alone was compared with the pinned document.
    if (index > 0 && this.#deps.register.genesis === null) return;
    const signed = signedLeaf(leaf);
    if (this.#deps.register.apply(index, signed, now) !== null) return;
    const counts = readDocumentOrNull(
      signed.document,
      'refusals-counted',
      'broken-glass-counted',
      'seals-counted',
    );
    if (counts?.type === 'seals-counted') this.#deps.seals.told(counts);
    if (counts?.type === 'broken-glass-counted') this.#deps.witnessing.counted(counts.releases);
    // Counts are for the public: anybody could have them entered, and at each start they would be read again.
    if (counts !== null) return;
    const ends = readDocumentOrNull(signed.document, 'expiry', 'import-ended');
    if (ends?.type === 'expiry') this.#deps.shredding.takeExpiry(ends, place, now);
    if (ends?.type === 'import-ended') this.#deps.shredding.leaveLong();
    this.#deps.store.run(
      'INSERT INTO documents VALUES (?, ?, ?, ?)',
      index,
      now,
      signed.document,
      JSON.stringify(signed.signatures),
    );
  }
}

/** Builds the register again from what the keeper took in. */
export function replayDocuments(store: KeeperStore, register: Register): void {
  for (const row of store.all('SELECT * FROM documents ORDER BY idx')) {
    const signed: Signed = {
      document: String(row.document),
      signatures: JSON.parse(String(row.signatures)) as Signed['signatures'],
    };
    const refused = register.apply(Number(row.idx), signed, Number(row.time));
    if (refused !== null)
      throw new Error('keeper database holds a document that never took effect');
  }
}

function parseLogKey(text: string): LogKey {
  const key = parseVerifierKey(text);
  return { text, key, publicKey: notePublicKey(key) };
}

function publicEntries(kept: readonly Kept[]): readonly Signed[] {
  return kept.flatMap(({ leaf }) => {
    const parsed = begins(leaf, PUBLIC_START) ? parseLeafOrNull(leaf) : null;
    return parsed?.kind === 'public' ? [signedLeaf(parsed)] : [];
  });
}

function begins(leaf: Buffer, start: Buffer): boolean {
  return leaf.subarray(0, start.length).equals(start);
}

/** Until when a document among these breaks the glass; 0 where none does. */
function brokenBy(register: Register, kept: readonly Kept[], now: number): number {
  let until = 0;
  for (const document of validOf('broken-glass', register, kept, now)) {
    until = Math.max(until, document.until);
  }
  return until;
}

/** Under a broken glass fewer witnesses than the quorum could otherwise let in any others. */
function bringsWitnesses(register: Register, kept: readonly Kept[], now: number): boolean {
  return validOf('witnesses', register, kept, now).length > 0;
}

/** The documents of a type among these that would take effect. */
function validOf<const T extends 'broken-glass' | 'witnesses'>(
  type: T,
  register: Register,
  kept: readonly Kept[],
  now: number,
): DocumentOf<T>[] {
  return publicEntries(kept).flatMap((signed) => {
    const document = readDocumentOrNull(signed.document, type);
    return document !== null && register.check(signed, now) === null ? [document] : [];
  });
}

function readRange(store: KeeperStore): CompactRange {
  const row = store.get("SELECT value FROM meta WHERE name = 'range'");
  if (row === undefined) return CompactRange.empty();
  const { size, hashes } = JSON.parse(String(row.value)) as { size: number; hashes: string[] };
  return CompactRange.from(size, hashes.map(fromHex));
}

function writeRange(store: KeeperStore, range: CompactRange): void {
  const value = JSON.stringify({ size: range.size, hashes: range.hashes().map(hex) });
  store.run("INSERT OR REPLACE INTO meta VALUES ('range', ?)", value);
}
