import { DatabaseSync } from 'node:sqlite';

/** Steps of a change: before its commit, between it and the standby's, after both and before any answer. */
type Step = 'first-commit' | 'second-commit' | 'after-both';

// Preloaded into a keeper with a standby, as `_killed-at.ts?step=STEP&after=COMMITS`: ends it as a power cut would.
const asked = new URL(import.meta.url).searchParams;
const step = asked.get('step') as Step;
/** Commits to let by: those of the start. */
let commits = Number(asked.get('after'));

function end(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing more is done.
  for (;;);
}

const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql) {
  if (sql !== 'COMMIT') return exec.call(this, sql);
  const at = commits--;
  if (step === 'first-commit' && at === 0) end();
  if (step === 'second-commit' && at === -1) end();
  exec.call(this, sql);
  if (step === 'after-both' && at === -1) end();
};
