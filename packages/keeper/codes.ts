import { utf8 } from '@amanat/core/bytes';
import { VIEW_SUBJECTS_MAX } from '@amanat/core/view';
import { sha256 } from './hash.ts';
import type { People } from './people.ts';
import type { KeeperStore } from './store.ts';
import type { Subjects } from './subjects.ts';

/** A chain that a code opens. */
export interface Opened {
  readonly controller: string;
  readonly subject: Buffer;
  /** Whether it is a number's own, from before the number was bound to her. */
  readonly alias: boolean;
}

/** Which chains a code opens: those it was given for, and hers at every controller that was declared since. */
export class Codes {
  readonly #store: KeeperStore;
  readonly #people: People;
  readonly #subjects: Subjects;

  constructor({
    store,
    people,
    subjects,
  }: {
    readonly store: KeeperStore;
    readonly people: People;
    readonly subjects: Subjects;
  }) {
    this.#store = store;
    this.#people = people;
    this.#subjects = subjects;
  }

  /** Gives a subject this code, and ends the last. */
  give(subject: Buffer, controller: string, codeHash: Uint8Array): void {
    const lookup = codeLookUp(codeHash, controller);
    this.#store.run('INSERT OR REPLACE INTO codes VALUES (?, ?)', subject, lookup);
  }

  /** Her chains, her own before her numbers'; none for a code that is unknown or has ended. */
  open(codeHash: Uint8Array, controllers: readonly string[]): readonly Opened[] {
    const given = controllers.flatMap((controller) => {
      const subject = this.#givenTo(codeHash, controller);
      return subject === null ? [] : [{ controller, subject, alias: false }];
    });
    // Another code has ended it wherever it was given, though it may have been by another identifier.
    if (given.length === 0) return [];
    const known = new Set(given.map(({ controller }) => controller));
    const later = controllers.filter((controller) => !known.has(controller));
    const own = [...given, ...this.#openLater(codeHash, later)];
    const aliases = own.flatMap(({ controller, subject }) =>
      this.#subjects.aliases(subject).map((alias) => ({ controller, subject: alias, alias: true })),
    );
    return [...own, ...aliases].slice(0, VIEW_SUBJECTS_MAX);
  }

  /** Her subjects at controllers for which no code was ever given: they were declared later. */
  #openLater(codeHash: Uint8Array, controllers: readonly string[]): readonly Opened[] {
    const holder = this.#people.holderOf(codeHash);
    if (holder === null) return [];
    return controllers.flatMap((controller) => {
      // A number's own, bound or not: whose it is there an importer says whom this code's giver never met.
      const subject = this.#subjects.ofPrimary(controller, holder);
      if (this.#store.get('SELECT 1 FROM codes WHERE subject = ?', subject) !== undefined)
        return [];
      if (this.#people.isProtected(holder)) this.#subjects.protect(subject, holder);
      return [{ controller, subject, alias: false }];
    });
  }

  #givenTo(codeHash: Uint8Array, controller: string): Buffer | null {
    const lookup = codeLookUp(codeHash, controller);
    const row = this.#store.get('SELECT subject FROM codes WHERE lookup = ?', lookup);
    return row === undefined ? null : Buffer.from(row.subject as Uint8Array);
  }
}

/** Where a code is kept: by controller, so that keeper.db does not join a person's subjects (I13). */
function codeLookUp(codeHash: Uint8Array, controller: string): Buffer {
  return sha256(Buffer.concat([codeHash, utf8(controller)]));
}
