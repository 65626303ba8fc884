/**
 * Loaded before a command, as `_killed-at-step.ts?step=N`: ends it as a power cut would, before the Nth step by which it
 * changes a file or a folder. With step 0 it says at its end which steps there were.
 */
import fs from 'node:fs';
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import sqlite from 'node:sqlite';

const last = Number(new URL(import.meta.url).searchParams.get('step'));
const steps: string[] = [];

function watch<T extends object>(
  module: T,
  name: keyof T & string,
  changes: (...args: readonly unknown[]) => boolean = () => true,
): void {
  const work = module[name] as (...args: unknown[]) => unknown;
  const watched = (...args: unknown[]) => {
    if (!changes(...args)) return work.apply(module, args);
    steps.push(name);
    if (steps.length === last) {
      process.kill(process.pid, 'SIGKILL');
      // The signal is on its way; nothing more is done.
      for (;;);
    }
    return work.apply(module, args);
  };
  Object.assign(module, { [name]: watched });
}

const isWriting = (_path: unknown, flags: unknown) => typeof flags === 'string' && flags !== 'r';
for (const name of ['mkdirSync', 'mkdtempSync', 'rmSync', 'renameSync', 'copyFileSync'] as const) {
  watch(fs, name);
}
watch(fs, 'openSync', isWriting);
watch(fs, 'writeSync', (file) => Number(file) > 2);
for (const name of ['mkdir', 'rename', 'chmod', 'rm'] as const) watch(promises, name);
watch(promises, 'open', isWriting);
watch(sqlite, 'backup');
syncBuiltinESMExports();
if (last === 0) process.once('exit', () => fs.writeSync(2, `\nsteps: ${steps.join(' ')}\n`));
