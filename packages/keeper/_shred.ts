import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { hex } from '@amanat/core/bytes';
import type { RecordRead } from '@amanat/core/statement';
import type { Trial } from './_trial.ts';
import { CNIC, HOLDING, publicLeaf } from './_trial.ts';
import { KEEPER_FILES } from './create.ts';
import type { Asked, Identifier } from './protocol.ts';

const HERS: Identifier = { type: 'cnic', value: CNIC };

/** An erasure as it reaches the keeper, signed by both administrators. */
export function erasure(trial: Trial, changes: object = {}): Extract<Asked, { kind: 'erasure' }> {
  const document = {
    type: 'erasure',
    controller: 'demo-telecom',
    identifier: HERS,
    reason: 'asked for by the person',
    nonce: hex(randomBytes(16)),
    time: trial.now,
    ...changes,
  };
  return { kind: 'erasure', signed: trial.byAdministrators(document) };
}

/** Asks for an erasure, and gives the leaf that the keeper prepared for it. */
export async function preparedErasure(trial: Trial, changes: object = {}): Promise<Uint8Array> {
  const [resolved] = await trial.resolve(erasure(trial, changes));
  if (resolved?.outcome !== 'resolved') throw new Error(JSON.stringify(resolved));
  const prepared = await trial.prepare(resolved.lookUps[0]?.id ?? 0);
  if ('refused' in prepared) throw new Error(prepared.refused);
  return prepared.leaf;
}

/** The leaf of an expiry. */
export function expiryLeaf(trial: Trial, month: string, holding = HOLDING): Uint8Array {
  const document = { type: 'expiry', holding, month, time: trial.now };
  return publicLeaf({ document: JSON.stringify(sorted(document)), signatures: [] });
}

/** Two administrators announce that a month expires early. */
export function announcement(trial: Trial, month: string, time = trial.now) {
  return trial.byAdministrators({
    type: 'expiry-announced',
    holding: HOLDING,
    month,
    reason: 'not needed any more',
    time,
  });
}

/** The name of a record of which a key was drawn. */
export function recordOf(
  drawn: NonNullable<Awaited<ReturnType<Trial['draw']>>>,
  trial: Trial,
): RecordRead {
  return {
    holding: HOLDING,
    record: drawn.record,
    import: trial.importIndex,
    row: 1,
    expiryMonth: drawn.expiryMonth,
    groups: [{ group: 'identity', nonce: drawn.nonce, sha256: hex(randomBytes(32)) }],
  };
}

/** Every wrapped key that stands in a slot of the trial's keeper, by slot. */
export function wrappedKeys(trial: Trial): ReadonlyMap<number, Buffer> {
  const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
  try {
    const rows = db.prepare('SELECT slot, wrapped FROM slots').all();
    return new Map(rows.map((row) => [Number(row.slot), Buffer.from(row.wrapped as Uint8Array)]));
  } finally {
    db.close();
  }
}

/** The slots of a subject's S and of a holding's month. */
export function slotsOf(trial: Trial, subject: string, month: string) {
  const db = new DatabaseSync(join(trial.dir, KEEPER_FILES.database), { readOnly: true });
  try {
    const s = db.prepare('SELECT subject_slot AS slot FROM subjects WHERE subject = ?');
    const p = db.prepare('SELECT slot FROM periods WHERE month = ?');
    return {
      subject: Number(s.get(Buffer.from(subject, 'hex'))?.slot),
      period: Number(p.get(month)?.slot),
    };
  } finally {
    db.close();
  }
}

/** In which files of a keeper's folder any 16 bytes of this key stand. */
export function filesWith({ dir }: Pick<Trial, 'dir'>, key: Uint8Array): readonly string[] {
  const files = readdirSync(dir, { withFileTypes: true }).filter((file) => file.isFile());
  const names = files.map(({ name }) => name);
  return names.filter((name) => holds(readFileSync(join(dir, name)), key));
}

/** Whether any 16 bytes in a row of these stand there. */
export function holds(content: Buffer, key: Uint8Array): boolean {
  for (let at = 0; at + 16 <= key.length; at++) {
    if (content.includes(Buffer.from(key.subarray(at, at + 16)))) return true;
  }
  return false;
}

function sorted(document: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(document).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
