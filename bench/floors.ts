import { generateKeyPairSync, randomBytes, sign, verify } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

const ROWS = 20_480;
const ROWS_A_TRANSACTION = 512;
const ROW_BYTES = 300;
const VERIFICATIONS = 2_000;

/**
 * What this machine does with the same parts and none of Amanat: rows a second that SQLite takes with an index in random
 * order, durable 512 at a time, and microseconds of one verification with P-256. Between machines only the ratio of our
 * own figures to these means anything.
 * @param dir a folder on the disk that everything else is measured on
 */
export function measureFloors(dir: string): Record<string, number> {
  return {
    floor_sqlite_rows_per_second: Math.round(sqliteRows(join(dir, 'floor.db'))),
    floor_p256_verify_us: Math.round(verificationUs()),
  };
}

function sqliteRows(path: string): number {
  const database = new DatabaseSync(path);
  try {
    database.exec(`
      PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE plain (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
      CREATE TABLE places (key BLOB PRIMARY KEY, id INTEGER NOT NULL) STRICT, WITHOUT ROWID;`);
    const addRow = database.prepare('INSERT INTO plain VALUES (?, ?)');
    const addPlace = database.prepare('INSERT INTO places VALUES (?, ?)');
    const bytes = randomBytes(ROW_BYTES);
    const started = performance.now();
    for (let id = 0; id < ROWS; ) {
      database.exec('BEGIN');
      for (const end = id + ROWS_A_TRANSACTION; id < end; id++) {
        addRow.run(id, bytes);
        addPlace.run(randomBytes(16), id);
      }
      database.exec('COMMIT');
    }
    return (ROWS / (performance.now() - started)) * 1000;
  } finally {
    database.close();
    for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
  }
}

function verificationUs(): number {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const message = randomBytes(500);
  const signature = sign('sha256', message, privateKey);
  const started = performance.now();
  for (let at = 0; at < VERIFICATIONS; at++) {
    if (!verify('sha256', message, publicKey, signature)) throw new Error('a signature is bad');
  }
  return ((performance.now() - started) / VERIFICATIONS) * 1000;
}
