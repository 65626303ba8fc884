import type { Database } from '../storage/sqlite.ts';
import type { CertificateStore, StoredCertificate } from './store.ts';

const TABLES = `
  CREATE TABLE IF NOT EXISTS certificates (
    idx INTEGER PRIMARY KEY, certificate TEXT NOT NULL, signature TEXT NOT NULL
  ) STRICT;
`;

/** The certificates in the gateway's SQLite file. Makes the table where it is missing. */
export function createSqliteCertificateStore(database: Database): CertificateStore {
  database.exec(TABLES);
  const put = database.prepare('INSERT OR REPLACE INTO certificates VALUES (?, ?, ?)');
  const list = database.prepare('SELECT * FROM certificates WHERE idx >= ? ORDER BY idx LIMIT ?');
  const last = database.prepare('SELECT coalesce(max(idx), -1) AS idx FROM certificates');
  const read = (from: number, max: number) => list.all(from, max).map(certificateOf);
  return {
    put: ({ index, certificate, signature }) =>
      database.transaction(() => void put.run(index, certificate, signature)),
    find: (index) => read(index, 1).find((found) => found.index === index) ?? null,
    list: read,
    last: () => Number(last.get()?.idx),
  };
}

function certificateOf(row: Readonly<Record<string, unknown>>): StoredCertificate {
  return {
    index: Number(row.idx),
    certificate: String(row.certificate),
    signature: String(row.signature),
  };
}
