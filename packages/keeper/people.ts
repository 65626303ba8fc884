import { fromUtf8, utf8 } from '@amanat/core/bytes';
import { deriveKey, openOnce, sealOnce, secretKey } from '@amanat/core/keys';
import type { KeyRing } from './key-ring.ts';
import { keyedId } from './key-ring.ts';
import type { Identifier } from './protocol.ts';
import type { KeeperStore } from './store.ts';

const NO_AAD = new Uint8Array(0);

/**
 * What holds for a person whoever keeps her records, a controller that is declared later included. She is known by an
 * id under a key of no controller, which stands beside none of her subjects (I13); her identifier opens with her code
 * alone. Callers stand in a transaction; where one fails the process ends, so that the set never outlives what is
 * durable.
 */
export class People {
  readonly #store: KeeperStore;
  readonly #ring: KeyRing;
  /** Few are protected, and most identifiers that pass by are of none: an import pays nothing where there is nobody. */
  readonly #protected: Set<string>;

  constructor(store: KeeperStore, ring: KeyRing) {
    this.#store = store;
    this.#ring = ring;
    const rows = store.all('SELECT person FROM people WHERE protected = 1');
    this.#protected = new Set(rows.map(({ person }) => nameOf(Buffer.from(person as Uint8Array))));
  }

  isProtected(identifier: Identifier): boolean {
    return this.#protected.size > 0 && this.#protected.has(nameOf(this.#idOf(identifier)));
  }

  /** @param signed the time of the document that says so, milliseconds since 1970. */
  setProtected(identifier: Identifier, value: boolean, signed: number): void {
    const person = this.#idOf(identifier);
    this.#begin(person);
    this.#store.run(
      'UPDATE people SET protected = ?, protection_signed = ? WHERE person = ?',
      value ? 1 : 0,
      signed,
      person,
    );
    if (value) this.#protected.add(nameOf(person));
    else this.#protected.delete(nameOf(person));
  }

  /** Gives her this code, and ends the last. */
  setCode(identifier: Identifier, codeHash: Uint8Array, signed: number): void {
    const person = this.#idOf(identifier);
    const code = codeLookUp(codeHash);
    // Handed out to two, a code is the second's alone.
    this.#store.run('UPDATE people SET code = NULL, holder = NULL WHERE code = ?', code);
    this.#begin(person);
    const holder = utf8(`${identifier.type} ${identifier.value}`);
    this.#store.run(
      'UPDATE people SET code = ?, holder = ?, code_signed = ? WHERE person = ?',
      code,
      sealOnce(holderKey(codeHash, person), holder, NO_AAD),
      signed,
      person,
    );
  }

  /** Whether a code was ever handed out by this identifier: it is somebody's. */
  hasHadCode(identifier: Identifier): boolean {
    return this.lastSigned(identifier, 'code') > 0;
  }

  /** Whose code this is. */
  holderOf(codeHash: Uint8Array): Identifier | null {
    const row = this.#store.get(
      'SELECT person, holder FROM people WHERE code = ?',
      codeLookUp(codeHash),
    );
    if (row === undefined) return null;
    const key = holderKey(codeHash, row.person as Uint8Array);
    const [type, value] = fromUtf8(openOnce(key, row.holder as Uint8Array, NO_AAD)).split(' ');
    return { type, value } as Identifier;
  }

  /** When the last document of a type that took effect was signed; 0 where none did. */
  lastSigned(identifier: Identifier, type: 'code' | 'protection'): number {
    const row = this.#store.get(
      'SELECT protection_signed, code_signed FROM people WHERE person = ?',
      this.#idOf(identifier),
    );
    return Number((type === 'code' ? row?.code_signed : row?.protection_signed) ?? 0);
  }

  #idOf({ type, value }: Identifier): Buffer {
    return keyedId(this.#ring.secret('person'), type, value);
  }

  #begin(person: Buffer): void {
    this.#store.run(
      `INSERT OR IGNORE INTO people (person, protected, protection_signed, code_signed)
        VALUES (?, 0, 0, 0)`,
      person,
    );
  }
}

function nameOf(person: Buffer): string {
  return person.toString('latin1');
}

function codeLookUp(codeHash: Uint8Array): Buffer {
  return deriveKey(codeHash, 'amanat/v1 code');
}

/** Of one code and one person: it seals one plaintext. */
function holderKey(codeHash: Uint8Array, person: Uint8Array) {
  return secretKey(deriveKey(codeHash, 'amanat/v1 code holder', person));
}
