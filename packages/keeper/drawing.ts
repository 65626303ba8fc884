import type { Declaration, Register } from '@amanat/core/grants';
import type { MacKey } from '@amanat/core/keys';
import { RECORD_NONCE_BYTES, recordKeys } from '@amanat/core/keys';
import { monthNumber, monthText } from '@amanat/core/shape';
import { dayOf, monthOf } from './clock.ts';
import { DrawnRowsWriter } from './draw-rows.ts';
import type { KeyRing } from './key-ring.ts';
import { keyedDigest, keyedId } from './key-ring.ts';
import type { People } from './people.ts';
import type { DrawRow, Messages, RefusedRow } from './protocol.ts';
import { Refusal } from './refusal.ts';
import type { KeeperStore } from './store.ts';
import type { Subjects } from './subjects.ts';
import { isNormalised } from './subjects.ts';

/** A day of grace, because an event's day is told by the clock of the place where it happened. */
const GRACE_MS = 86_400_000;

export interface DrawingDeps {
  readonly store: KeeperStore;
  readonly ring: KeyRing;
  readonly register: Register;
  readonly people: People;
  readonly subjects: Subjects;
}

/** Gives keys to write with, for the rows of an import that its importer announced in the log. */
export class Drawing {
  readonly #deps: DrawingDeps;

  constructor(deps: DrawingDeps) {
    this.#deps = deps;
  }

  /**
   * Draws for one batch, in the caller's transaction.
   * @throws Refusal 'unknown-import' or 'row-limit'
   */
  draw(
    index: number,
    rows: readonly DrawRow[],
    now: number,
  ): { answer: Messages['draw']['answer']; attachment: Buffer } {
    const announced = this.#deps.register.import(index);
    // An importer's key that is revoked or has expired draws no more, whatever she announced.
    const importer = announced && this.#deps.register.key(announced.importer.key.id, now);
    if (announced === null || announced.ended || typeof importer === 'string') {
      throw new Refusal('unknown-import', 'no such import is open');
    }
    const { declaration } = announced;
    this.#countRows(index, rows.length, announced.document.rowLimit);
    const groups = [...new Set(declaration.fields.map((field) => field.group))];
    const controller = declaration.controller.id;
    const keys = {
      record: this.#deps.ring.secret(`record/${controller}`),
      digest: this.#deps.ring.secret(`digest/${controller}`),
    };
    const today = { month: monthOf(now), last: dayOf(now + GRACE_MS), day: dayOf(now) };
    const refused: RefusedRow[] = [];
    const drawn = new DrawnRowsWriter(rows.length, groups.length);
    for (const row of rows) {
      const found = this.#drawRow(declaration, row, keys, today);
      if (typeof found === 'string') {
        refused.push({ row: row.row, refused: found });
        continue;
      }
      const { subject, record, expiryMonth } = found;
      const { holding } = declaration;
      const keyOf = recordKeys(found.key, found.periodKey, {
        holding,
        expiryMonth,
        subject: subject.toString('hex'),
        record: record.toString('hex'),
        import: index,
        row: row.row,
      });
      // One for the version: its groups differ by their names, so that each key still encrypts once.
      const nonce = this.#deps.ring.random(RECORD_NONCE_BYTES);
      drawn.add({ ...found, row: row.row, nonce });
      for (const group of groups) drawn.addKey(keyOf(group, nonce));
    }
    return { answer: { refused }, attachment: drawn.written() };
  }

  /** Bounds how many guesses an importing gateway can confirm, redraws after a crash included. */
  #countRows(index: number, rows: number, limit: number): void {
    const row = this.#deps.store.get('SELECT drawn FROM imports WHERE idx = ?', index);
    const drawn = Number(row?.drawn ?? 0) + rows;
    if (drawn > limit) throw new Refusal('row-limit', 'more rows than the import announced');
    this.#deps.store.run('INSERT OR REPLACE INTO imports VALUES (?, ?)', index, drawn);
  }

  #drawRow(declaration: Declaration, row: DrawRow, keys: RowKeys, today: Today) {
    const { people, subjects } = this.#deps;
    const { holding } = declaration;
    const controller = declaration.controller.id;
    if (
      row.primary.type !== declaration.primaryIdentifier ||
      !isNormalised(row.primary) ||
      !row.secondary.every(isNormalised)
    ) {
      return 'bad-identifier';
    }
    const from = row.eventDate ?? today.day;
    if (from > today.last) return 'date-ahead';
    const expiryMonth = monthText(monthNumber(from) + declaration.retentionMonths);
    if (expiryMonth < today.month) return 'retention-over';
    const periodKey = this.#deps.ring.periodKey(holding, expiryMonth);
    if (periodKey === null) return 'expired';
    const subject = subjects.ofPrimary(controller, row.primary);
    const known = subjects.subjectKey(subject);
    if (known === 'destroyed') return 'erased';
    // All or none: a row that is refused binds nothing.
    const [first, ...more] = row.secondary;
    if (more.length > 0 && !row.secondary.every((id) => subjects.isFree(controller, id, subject))) {
      return 'bound-to-another';
    }
    if (first !== undefined && !subjects.bind(controller, first, subject)) {
      return 'bound-to-another';
    }
    for (const identifier of more) subjects.bind(controller, identifier, subject);
    // By her number too she is protected here from her first record on.
    if (people.isProtected(row.primary)) subjects.protect(subject, row.primary);
    const record = keyedId(keys.record, holding, subject, row.recordKey);
    const digest = keyedDigest(keys.digest, record, row.digest);
    const key = known ?? (subjects.mention(subject) as Buffer);
    return { subject, record, digest, expiryMonth, key, periodKey, isFirst: known === null };
  }
}

/** The controller's, under which rows and their records are told apart. */
interface RowKeys {
  readonly record: MacKey;
  readonly digest: MacKey;
}

/** What the keeper's clock says, for a batch. */
interface Today {
  /** `YYYY-MM`, and `YYYY-MM-DD` twice: the day, and the last that an event may have. */
  readonly month: string;
  readonly day: string;
  readonly last: string;
}
