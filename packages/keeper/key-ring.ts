import type { KeyObject } from 'node:crypto';
import { randomFillSync } from 'node:crypto';
import { encodeNames, MacKey, open, SEAL_NONCE_BYTES, seal, secretKey } from '@amanat/core/keys';
import type { RootKeyProvider } from './providers/root-key.ts';
import type { RowSumKeys } from './row-sum.ts';
import type { Wrapped } from './slots.ts';
import { DESTROYED, FIRST_GENERATION, Slots } from './slots.ts';
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
    read: 'SELECT subject_slot AS slot FROM subjects WHERE subject = ?',
    write: 'INSERT INTO subjects (subject_slot, subject, number, protected) VALUES (?, ?, 0, 0)',
  },
  view: {
    read: 'SELECT view_slot AS slot FROM subjects WHERE subject = ?',
    write: 'UPDATE subjects SET view_slot = ? WHERE subject = ?',
  },
};

/** Unwraps and creates keys. The root key wraps generations; the present generation wraps all others. */
export class KeyRing {
  readonly #store: KeeperStore;
  readonly #slots: Slots;
  readonly #generations = new Map<number, KeyObject>();
  readonly #secrets = new Map<string, MacKey>();
  readonly #periods = new Map<string, Buffer>();
  readonly generation: number;
  readonly #pool = Buffer.alloc(POOL_BYTES);
  #poolAt = POOL_BYTES;

  /** @throws RootKeyError where the root key does not unlock; CoreError where a generation is not what its name says. */
  constructor(store: KeeperStore, root: RootKeyProvider) {
    this.#store = store;
    this.#slots = new Slots(store);
    const rootKey = root.unlock();
    for (const row of store.all('SELECT generation, slot FROM generations')) {
      const generation = Number(row.generation);
      const { wrapped } = this.#slots.read(Number(row.slot));
      const raw = open(rootKey, wrapped, generationName(generation));
      this.#generations.set(generation, secretKey(raw));
      raw.fill(0);
    }
    this.generation = Math.max(0, ...this.#generations.keys());
  }

  /** Writes the first generation of a new keeper, and the key of its rows. */
  static begin(store: KeeperStore, root: RootKeyProvider): KeyRing {
    const generation = FIRST_GENERATION;
    const random = new Uint8Array(KEY_BYTES + SEAL_NONCE_BYTES);
    randomFillSync(random);
    const wrapped = seal(
      root.unlock(),
      random.subarray(0, KEY_BYTES),
      generationName(generation),
      random.subarray(KEY_BYTES),
    );
    random.fill(0);
    const slot = new Slots(store).append({ generation, wrapped });
    store.run('INSERT INTO generations VALUES (?, ?)', generation, slot);
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
    const { generation, wrapped } = this.#wrap(secret, encodeNames('secret', name));
    this.#store.run('INSERT INTO secrets VALUES (?, ?, ?)', name, generation, wrapped);
  }

  /** The bytes of a secret that is there. */
  secretBytes(name: string): Buffer {
    const row = this.#store.get('SELECT generation, wrapped FROM secrets WHERE name = ?', name);
    if (row === undefined) throw new Error('keeper lacks a key of its own');
    const generation = Number(row.generation);
    const wrapped = row.wrapped as Uint8Array;
    return this.#unwrap({ generation, wrapped }, encodeNames('secret', name));
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

  /** The period key of a holding's expiry month, drawn at its first use; null once it is destroyed. */
  periodKey(holding: string, month: string): Buffer | null {
    const name = `${holding} ${month}`;
    const known = this.#periods.get(name);
    if (known !== undefined) return known;
    const about = encodeNames('period', holding, month);
    const slot = this.#periodSlot(holding, month);
    if (slot !== null) {
      const wrapped = this.#slots.read(slot);
      if (wrapped.generation === DESTROYED.generation) return null;
      const key = this.#unwrap(wrapped, about);
      this.#periods.set(name, key);
      return key;
    }
    const key = this.random(KEY_BYTES);
    this.#addPeriod(holding, month, this.#wrap(key, about));
    this.#periods.set(name, key);
    return key;
  }

  /**
   * Destroys the period key, in its slot and in memory; where none was drawn, none ever will be. Gives the generation
   * that had wrapped it; null where there was no key.
   */
  destroyPeriod(holding: string, month: string): number | null {
    const name = `${holding} ${month}`;
    this.#periods.get(name)?.fill(0);
    this.#periods.delete(name);
    const slot = this.#periodSlot(holding, month);
    if (slot !== null) return this.#destroy(slot);
    this.#addPeriod(holding, month, DESTROYED);
    return null;
  }

  /**
   * One key out of a subject's slots: 'destroyed', or null where none was drawn yet.
   */
  findSubjectKey(subject: Buffer, slot: SubjectSlot): Buffer | 'destroyed' | null {
    const row = this.#store.get(SLOTS[slot].read, subject);
    if (row === undefined || row.slot === null) return null;
    const wrapped = this.#slots.read(Number(row.slot));
    if (wrapped.generation === DESTROYED.generation) return 'destroyed';
    return this.#unwrap(wrapped, encodeNames(slot, subject));
  }

  /**
   * Draws a key that was not drawn before: S at her first mention, V at her first look-up, which few ever have. Who has V
   * has S.
   */
  drawSubjectKey(subject: Buffer, slot: SubjectSlot): Buffer {
    if (slot === 'view' && this.#store.get(SLOTS.subject.read, subject) === undefined) {
      this.drawSubjectKey(subject, 'subject');
    }
    const key = this.random(KEY_BYTES);
    const wrapped = this.#wrap(key, encodeNames(slot, subject));
    this.#store.run(SLOTS[slot].write, this.#slots.append(wrapped), subject);
    return key;
  }

  /** Destroys S as {@link destroyPeriod} does P. */
  destroySubjectKey(subject: Buffer): number | null {
    const row = this.#store.get(SLOTS.subject.read, subject);
    if (row !== undefined) return this.#destroy(Number(row.slot));
    this.#store.run(SLOTS.subject.write, this.#slots.append(DESTROYED), subject);
    return null;
  }

  #periodSlot(holding: string, month: string): number | null {
    const row = this.#store.get(
      'SELECT slot FROM periods WHERE holding = ? AND month = ?',
      holding,
      month,
    );
    return row === undefined ? null : Number(row.slot);
  }

  #addPeriod(holding: string, month: string, wrapped: Wrapped): void {
    const slot = this.#slots.append(wrapped);
    this.#store.run('INSERT INTO periods VALUES (?, ?, ?)', holding, month, slot);
  }

  #destroy(slot: number): number | null {
    const { generation } = this.#slots.read(slot);
    this.#slots.overwrite(slot, DESTROYED);
    return generation === DESTROYED.generation ? null : generation;
  }

  #wrap(key: Uint8Array, about: Uint8Array): Wrapped {
    const { generation } = this;
    const nonce = this.random(SEAL_NONCE_BYTES);
    return { generation, wrapped: seal(this.#generationKey(generation), key, about, nonce) };
  }

  #unwrap({ generation, wrapped }: Wrapped, about: Uint8Array): Buffer {
    return open(this.#generationKey(generation), wrapped, about);
  }

  #generationKey(generation: number): KeyObject {
    const key = this.#generations.get(generation);
    if (key === undefined) throw new Error('keeper lacks the generation that wraps a key');
    return key;
  }
}

function generationName(generation: number): Uint8Array {
  return encodeNames('generation', String(generation));
}

/** 16 bytes of HMAC-SHA-256: how every keyed id is made. */
export function keyedId(key: MacKey, ...parts: readonly (string | Uint8Array)[]): Buffer {
  return keyedDigest(key, ...parts).subarray(0, ID_BYTES);
}

/** HMAC-SHA-256 over the length-prefixed parts. */
export function keyedDigest(key: MacKey, ...parts: readonly (string | Uint8Array)[]): Buffer {
  return key.digest(encodeNames(...parts));
}
