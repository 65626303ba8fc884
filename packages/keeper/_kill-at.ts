import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

// Preloaded into a keeper, as `_kill-at.ts?step=N`: from the first commit in which a key is destroyed, kills it before
// the N-th step that reaches the disk. Says which step it was.
const last = Number(new URL(import.meta.url).searchParams.get('step'));
let begun = false;
let step = 0;

function before(name: string): void {
  if (!begun) return;
  step += 1;
  if (step < last) return;
  fs.writeSync(2, `killed before ${name}\n`);
  process.kill(process.pid, 'SIGKILL');
}

const { exec, prepare } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  if (/^(COMMIT|PRAGMA wal_checkpoint)/.test(sql)) before(sql);
  return exec.call(this, sql);
};
DatabaseSync.prototype.prepare = function (sql) {
  // A statement of its own each time: prepared once it would be seen once.
  if (sql.startsWith('PRAGMA wal_checkpoint')) before(sql);
  const statement = prepare.call(this, sql);
  if (!sql.startsWith('INSERT INTO shreds')) return statement;
  const { run } = statement;
  statement.run = ((...values: Parameters<typeof run>) => {
    begun = true;
    return run.apply(statement, values);
  }) as typeof run;
  return statement;
};
const { writeSync } = fs;
fs.writeSync = ((...args: Parameters<typeof writeSync>) => {
  if (args[0] !== 2) before('write');
  return writeSync(...args);
}) as typeof writeSync;
syncBuiltinESMExports();
