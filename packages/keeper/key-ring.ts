import type { KeyObject } from 'node:crypto';
import { randomFillSync } from 'node:crypto';
import { encodeNames, MacKey, open, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import type { RootKeyProvider } from './providers/root-key.ts';
import type { RowSumKeys } from './row-sum.ts';
import type { KeeperStore } from './store.ts';

const KEY_BYTES = 32;
const POOL_BYTES = 65_536;
const ID_BYTES = 16;
/** The secret by which all rows are authenticated. */
const ROWS = 'rows';

/** A subject's two keys: S, which her records need, and V, which her chain needs. */
export type SubjectSlot = 'subject' | 'view';

const SLOTS: Readonly<Record<SubjectSlot, { readonly read: string; readonly write: string }>> = {
  subject: {
    read: 'SELECT generation, subject_key AS wrapped FROM subjects WHERE subject = ?',
    write: `INSERT INTO subjects (subject_key, generation, subject, number, protected)
      VALUES (?, ?, ?, 0, 0)`,
  },
  view: {
    read: 'SELECT view_generation AS generation, view_key AS wrapped FROM subjects WHERE subject = ?',
    write: 'UPDATE subjects SET view_key = ?, view_generation = ? WHERE subject = ?',
  },
};

/** Unwraps and creates keys. The root key wraps generations; the present generation wraps all others. */
export class KeyRing {
  readonly #store: KeeperStore;
  readonly #generations = new Map<number, KeyObject>();
  readonly #secrets = new Map<string, MacKey>();
  readonly #periods = new Map<string, Buffer>();
  readonly generation: number;
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #poolAt = POOL_BYTES;

  /** @throws RootKeyError where the root key does not unlock; CoreError where a generation is not what its name says. */
  constructor(store: KeeperStore, root: RootKeyProvider) {
    this.#store = store;
    const rootKey = root.unlock();
    const rows = store.all(
      "SELECT name, generation, wrapped FROM secrets WHERE name LIKE 'generation/%'",
    );
    for (const row of rows) {
      const raw = open(rootKey, row.wrapped as Uint8Array, encodeNames('secret', String(row.name)));
      this.#generations.set(Number(row.generation), secretKey(raw));
      raw.fill(0);
    }
    this.generation = Math.max(0, ...this.#generations.keys());
  }

  /** Writes the first generation of a new keeper, and the key of its rows. */
  static begin(store: KeeperStore, root: RootKeyProvider): KeyRing {
    const name = 'generation/1';
    const random = new Uint8Array(KEY_BYTES + SEAL_NONCE_BYTES);
    randomFillSync(random);
    const wrapped = seal(
      root.unlock(),
      random.subarray(0, KEY_BYTES),
      encodeNames('secret', name),
      random.subarray(KEY_BYTES),
    );
    random.fill(0);
    store.run('INSERT INTO secrets VALUES (?, 1, ?)', name, wrapped);
    const ring = new KeyRing(store, root);
    ring.putSecret(ROWS, ring.random(KEY_BYTES));
    return ring;
  }

  /**
   * What all rows are authenticated with. It has to be there, or was taken away: only {@link begin} draws it.
   * @throws Error where it is not; CoreError where it is not what its name says
   */
  rowSumKeys(): RowSumKeys {
    const bytes = this.secretBytes(ROWS);
    const key = new MacKey(bytes);
    bytes.fill(0);
    return { key, random: (count) => this.random(count) };
  }

  /** Random bytes from a pool: one system call for many nonces. A copy, the pool's bytes wiped. */
  random(bytes: number): Buffer {
    if (this.#poolAt + bytes > POOL_BYTES) {
      randomFillSync(this.#pool);
      this.#poolAt = 0;
    }
    const taken = Buffer.from(this.#pool.subarray(this.#poolAt, this.#poolAt + bytes));
    this.#pool.fill(0, this.#poolAt, this.#poolAt + bytes);
    this.#poolAt += bytes;
    return taken;
  }

  /** Stores a secret that was made elsewhere, such as a private key. */
  putSecret(name: string, secret: Uint8Array): void {
    this.#store.run(
      'INSERT INTO secrets VALUES (?, ?, ?)',
      name,
      this.generation,
      this.#wrap(secret, encodeNames('secret', name)),
    );
  }

  /** The bytes of a secret that is there. */
  secretBytes(name: string): Buffer {
    const row = this.#store.get('SELECT generation, wrapped FROM secrets WHERE name = ?', name);
    if (row === undefined) throw new Error('keeper lacks a key of its own');
    return this.#unwrap(row.generation, row.wrapped, encodeNames('secret', name));
  }

  /** A long-lived symmetric key by name, drawn at its first use. Inside a transaction of the caller's. */
  secret(name: string): MacKey {
    const known = this.#secrets.get(name);
    if (known !== undefined) return known;
    const row = this.#store.get('SELECT 1 FROM secrets WHERE name = ?', name);
    if (row === undefined) this.putSecret(name, this.random(KEY_BYTES));
    const key = new MacKey(this.secretBytes(name));
    this.#secrets.set(name, key);
    return key;
  }

  /** A long-lived key to seal with, drawn at its first use. Inside a transaction of the caller's, or before the first. */
  sealingKey(name: string): KeyObject {
    const row = this.#store.get('SELECT 1 FROM secrets WHERE name = ?', name);
    if (row === undefined) this.putSecret(name, this.random(KEY_BYTES));
    const bytes = this.secretBytes(name);
    const key = secretKey(bytes);
    bytes.fill(0);
    return key;
  }

  /** The period key of a holding's expiry month, drawn at its first use. */
  periodKey(holding: string, month: string): Buffer {
    const name = `${holding} ${month}`;
    const known = this.#periods.get(name);
    if (known !== undefined) return known;
    const about = encodeNames('period', holding, month);
    const row = this.#store.get(
      'SELECT generation, wrapped FROM periods WHERE holding = ? AND month = ?',
      holding,
      month,
    );
    let key: Buffer;
    if (row === undefined) {
      key = this.random(KEY_BYTES);
      const wrapped = this.#wrap(key, about);
      this.#store.run(
        'INSERT INTO periods VALUES (?, ?, ?, ?)',
        holding,
        month,
        this.generation,
        wrapped,
      );
    } else {
      key = this.#unwrap(row.generation, row.wrapped, about);
    }
    this.#periods.set(name, key);
    return key;
  }

  /**
   * One key out of a subject's slots, and whether it was drawn just now. S is drawn at her first mention, V at her first
   * look-up: few ever have one.
   */
  subjectSlot(
    subject: Buffer,
    slot: SubjectSlot,
  ): { readonly key: Buffer; readonly isNew: boolean } {
    const row = this.#store.get(SLOTS[slot].read, subject);
    if (row !== undefined && row.wrapped !== null) {
      const about = encodeNames(slot, subject);
      return { key: this.#unwrap(row.generation, row.wrapped, about), isNew: false };
    }
    if (row === undefined && slot === 'view') this.subjectSlot(subject, 'subject');
    const key = this.random(KEY_BYTES);
    const wrapped = this.#wrap(key, encodeNames(slot, subject));
    this.#store.run(SLOTS[slot].write, wrapped, this.generation, subject);
    return { key, isNew: true };
  }

  #wrap(key: Uint8Array, about: Uint8Array): Buffer {
    return seal(this.#generationKey(this.generation), key, about, this.random(SEAL_NONCE_BYTES));
  }

  #unwrap(generation: unknown, wrapped: unknown, about: Uint8Array): Buffer {
    return open(this.#generationKey(Number(generation)), wrapped as Uint8Array, about);
  }

  #generationKey(generation: number): KeyObject {
    const key = this.#generations.get(generation);
    if (key === undefined) throw new Error('keeper lacks the generation that wraps a key');
    return key;
  }
}

/** 16 bytes of HMAC-SHA-256: how every keyed id is made. */
export function keyedId(key: MacKey, ...parts: readonly (string | Uint8Array)[]): Buffer {
  return keyedDigest(key, ...parts).subarray(0, ID_BYTES);
}

/** HMAC-SHA-256 over the length-prefixed parts. */
export function keyedDigest(key: MacKey, ...parts: readonly (string | Uint8Array)[]): Buffer {
  return key.digest(encodeNames(...parts));
}
