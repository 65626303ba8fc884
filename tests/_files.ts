import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Every file of an instance's folder but those that `isLeftOut` names. */
export function filesOf(folder: string, isLeftOut: (path: string) => boolean = () => false) {
  const entries = readdirSync(folder, { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !isLeftOut(path))
    .map((path) => ({ path, bytes: readFileSync(path) }));
}

/** Every byte string that any table of a database holds. */
export function blobsOf(path: string): Uint8Array[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    return tables.flatMap(({ name }) =>
      database
        .prepare(`SELECT * FROM "${name}"`)
        .all()
        .flatMap((row) => Object.values(row).filter((value) => value instanceof Uint8Array)),
    );
  } finally {
    database.close();
  }
}
