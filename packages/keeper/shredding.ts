import type { KeyObject } from 'node:crypto';
import { base64, hex, utf8 } from '@amanat/core/bytes';
import { CoreError } from '@amanat/core/errors';
import type { DocumentOf, Register } from '@amanat/core/grants';
import { signingInput } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import { open, SEAL_NONCE_BYTES, seal, sign } from '@amanat/core/keys';
import type { PersonalLeaf } from '@amanat/core/log';
import type { KeeperBackup, ShredCertificate } from '@amanat/core/shred-certificate';
import { writeShredCertificate } from '@amanat/core/shred-certificate';
import { monthOf } from './clock.ts';
import type { KeyRing } from './key-ring.ts';
import type { LookUps } from './look-ups.ts';
import type { Certified, KeeperStatus } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { KeeperStore, Row } from './store.ts';
import type { Subjects } from './subjects.ts';

/** Months that are told of as due at a time. */
const DUE_MAX = 64;
const TOKEN_AAD = utf8('amanat/v1 erased');
/** The name of the secret under which tokens are sealed: drawn with the keeper, so that every backup has it. */
export const TOKEN_SECRET = 'erasures';

export interface ShreddingDeps {
  readonly store: KeeperStore;
  readonly ring: KeyRing;
  readonly subjects: Subjects;
  readonly lookUps: LookUps;
  readonly register: Register;
  readonly signing: SigningKey;
  /** The keeper's own backups, as it was told of them. @throws Refusal 'backups-unreadable' */
  readonly backups: () => readonly KeeperBackup[];
}

/** Where the entry of a shredding stands. */
export interface Place {
  readonly index: number;
  readonly leafHash: Uint8Array;
}

/** What was destroyed, and by which entry. */
interface Shred extends Place {
  readonly kind: ShredCertificate['kind'];
  readonly holding: string | null;
  readonly month: string | null;
  readonly generation: number | null;
}

/**
 * Destroys keys by the log's entries, and certifies it. A key is destroyed in the transaction that takes its entry in;
 * what the journal still holds of it is wiped right after, or when the keeper next starts, before it serves.
 */
export class Shredding {
  readonly #deps: ShreddingDeps;
  readonly #tokenKey: KeyObject;
  /** Whether the journal may hold what is destroyed. */
  #isUnscrubbed: boolean;
  /** Whether it stands in the database that it may ('unscrubbed' in meta): for as long as it does, and a while after. */
  #isNoted: boolean;
  /** Whether an import has ended, which leaves a long journal. */
  #isLong = false;

  constructor(deps: ShreddingDeps) {
    this.#deps = deps;
    this.#tokenKey = deps.ring.sealingKey(TOKEN_SECRET);
    const row = deps.store.get("SELECT 1 FROM meta WHERE name = 'unscrubbed'");
    this.#isNoted = row !== undefined;
    this.#isUnscrubbed = this.#isNoted;
  }

  /** What an erasure's leaf shows of a subject: nothing to anybody but this keeper, also one put back from a backup. */
  token(subject: Uint8Array): Buffer {
    const nonce = this.#deps.ring.random(SEAL_NONCE_BYTES);
    return seal(this.#tokenKey, subject, TOKEN_AAD, nonce);
  }

  /**
   * Takes in the leaf of an erasure, in the caller's transaction: destroys S of the subject in its token, whether or not
   * this keeper prepared it or knows the subject. A token of no keeper's means nothing. It is certified once: where this
   * keeper has an erasure of hers open, by the entry that is on her chain, and by no other leaf that has its token.
   */
  takeErasure(
    { token }: Extract<PersonalLeaf, { kind: 'erased' }>,
    place: Place,
    { isEntered, now }: { readonly isEntered: boolean; readonly now: number },
  ): void {
    const { store, ring, subjects, lookUps } = this.#deps;
    const subject = this.#openToken(token);
    if (subject === null) return;
    const isFirst = !subjects.isErased(subject);
    const destroyed = ring.destroySubjectKey(subject);
    const name = `uncertified ${hex(subject)}`;
    if (isFirst) store.run('INSERT INTO meta VALUES (?, ?)', name, destroyed ?? 0);
    this.leaveUnscrubbed();
    if (!isEntered && lookUps.isErasing(subject)) return;
    const row = store.get('SELECT value FROM meta WHERE name = ?', name);
    if (row === undefined) return;
    store.run('DELETE FROM meta WHERE name = ?', name);
    const generation = row.value === 0 ? null : Number(row.value);
    this.#note({ kind: 'person', holding: null, month: null, ...place, generation }, now);
  }

  /** Takes in an expiry that took effect in the register, in the caller's transaction. */
  takeExpiry({ holding, month }: DocumentOf<'expiry'>, place: Place, now: number): void {
    const generation = this.#deps.ring.destroyPeriod(holding, month);
    this.#note({ kind: 'period', holding, month, ...place, generation }, now);
  }

  /** What the caller's transaction overwrites is to be wiped from the journal after it. */
  leaveUnscrubbed(): void {
    this.#deps.store.run("INSERT OR REPLACE INTO meta VALUES ('unscrubbed', 1)");
    this.#isNoted = true;
    this.#isUnscrubbed = true;
  }

  /** An import has ended in the caller's transaction: whatever is destroyed next is not to wait for its journal. */
  leaveLong(): void {
    this.#isLong = true;
  }

  /** Wipes what the journal holds of what is destroyed, where it may hold any. Outside a transaction. */
  scrub(): void {
    if (this.#isLong) this.#deps.store.shorten();
    this.#isLong = false;
    if (this.#isUnscrubbed && this.#deps.store.scrub()) this.#isUnscrubbed = false;
  }

  /** Does what nobody is to wait for: a wipe too many after a crash, or a long journal, harms nothing. */
  settle(): void {
    const { store } = this.#deps;
    if (this.#isNoted && !this.#isUnscrubbed) {
      store.run("DELETE FROM meta WHERE name = 'unscrubbed'");
      this.#isNoted = false;
    }
    store.shorten();
  }

  /** Months that are due at `now`. */
  due(now: number): KeeperStatus['due'] {
    const { store, register } = this.#deps;
    const drawn = store.all(
      `SELECT holding, month FROM periods JOIN slots USING (slot)
        WHERE generation <> 0 AND month < ? ORDER BY month LIMIT ?`,
      monthOf(now),
      DUE_MAX,
    );
    const months = drawn.map((row) => ({ holding: String(row.holding), month: String(row.month) }));
    const early = [...register.expiring()].map(({ holding, month }) => ({ holding, month }));
    return [...months, ...early]
      .filter(({ holding, month }) => register.isDue(holding, month, now))
      .slice(0, DUE_MAX);
  }

  /**
   * Certifies the first shredding whose entry stands at `from` or after it; null where there is none.
   * @throws Refusal 'not-scrubbed' while the journal could not be wiped; 'backups-unreadable'
   */
  certify(from: number, now: number): Certified | null {
    this.scrub();
    if (this.#isUnscrubbed) {
      throw new Refusal('not-scrubbed', 'the keeper’s database is being copied: ask again after');
    }
    const row = this.#deps.store.get('SELECT * FROM shreds WHERE idx >= ? ORDER BY idx', from);
    if (row === undefined) return null;
    // All of them: that one's day is past says this machine's clock, and not that it was destroyed.
    const certificate = writeShredCertificate(certificateOf(row, this.#deps.backups(), now));
    const signature = base64(sign(this.#deps.signing, signingInput(certificate)));
    return { certificate, signature };
  }

  #openToken(token: Uint8Array): Buffer | null {
    try {
      return open(this.#tokenKey, token, TOKEN_AAD);
    } catch (error) {
      if (error instanceof CoreError) return null;
      throw error;
    }
  }

  #note({ kind, holding, month, index, leafHash, generation }: Shred, now: number): void {
    const { store } = this.#deps;
    store.run(
      'INSERT INTO shreds VALUES (?, ?, ?, ?, ?, ?, ?)',
      index,
      kind,
      holding,
      month,
      leafHash,
      generation,
      now,
    );
    this.leaveUnscrubbed();
  }
}

function certificateOf(row: Row, backups: readonly KeeperBackup[], now: number): ShredCertificate {
  return {
    type: 'shred-certificate',
    kind: row.kind as ShredCertificate['kind'],
    holding: row.holding as string | null,
    month: row.month as string | null,
    index: Number(row.idx),
    leaf: hex(row.leaf as Uint8Array),
    generation: row.generation as number | null,
    destroyed: Number(row.time),
    time: now,
    backups,
  };
}
