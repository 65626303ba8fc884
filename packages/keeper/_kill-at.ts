import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';

/** Where a keeper is to be killed, as a power cut would. */
export interface KillPoint {
  /** Which step that reaches the disk, counted from 1. */
  readonly step: number;
  /** How the statement begins from which on steps are counted: absent, from the start. */
  readonly from?: string;
  /** Once the step is done, not before it. */
  readonly isAfter?: boolean;
}

/** What a keeper has to preload to be killed there. It then says on standard error which step it was. */
export function killAt({ step, from = '', isAfter = false }: KillPoint): string {
  const query = new URLSearchParams({
    step: String(step),
    from,
    when: isAfter ? 'after' : 'before',
  });
  return `${import.meta.url}?${query}`;
}

const asked = new URL(import.meta.url).searchParams;
// Imported by a test, it is asked for nothing.
if (asked.has('step')) watch(Number(asked.get('step')), asked.get('from') ?? '');

function watch(last: number, from: string): void {
  const isAfter = asked.get('when') === 'after';
  let begun = from === '';
  let at = 0;

  function step<T>(name: string, take: () => T): T {
    if (begun) at += 1;
    if (at < last) return take();
    if (!isAfter) end(`before ${name}`);
    take();
    end(`after ${name}`);
  }

  const { exec, prepare } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    const run = () => exec.call(this, sql);
    if (/^(COMMIT|PRAGMA wal_checkpoint)/.test(sql)) step(sql, run);
    else run();
  };
  DatabaseSync.prototype.prepare = function (sql) {
    const statement = prepare.call(this, sql);
    if (from !== '' && sql.startsWith(from)) {
      const { run } = statement;
      statement.run = ((...values: Parameters<typeof run>) => {
        begun = true;
        return run.apply(statement, values);
      }) as typeof run;
    }
    if (sql.startsWith('PRAGMA wal_checkpoint')) {
      const { get } = statement;
      statement.get = ((...values: Parameters<typeof get>) =>
        step(sql, () => get.apply(statement, values))) as typeof get;
    }
    return statement;
  };
  const { writeSync } = fs;
  fs.writeSync = ((...args: Parameters<typeof writeSync>) =>
    args[0] === 2
      ? writeSync(...args)
      : step('write', () => writeSync(...args))) as typeof writeSync;
  syncBuiltinESMExports();
}

function end(where: string): never {
  fs.writeSync(2, `killed ${where}\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing more is done.
  for (;;);
}
