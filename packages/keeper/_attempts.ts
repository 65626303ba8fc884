import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { open } from 'node:inspector';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { WASI } from 'node:wasi';
import { Worker } from 'node:worker_threads';

// Tries, in a process of its own, what a keeper must not be able to do, and prints what came of each: `done`, or the
// error's code. Arguments: a keeper's folder, another folder, and a database in that.
const [own = '', other = '', database = ''] = process.argv.slice(2);

const attempts: Readonly<Record<string, () => unknown>> = {
  'write in its own folder': () => writeFileSync(join(own, 'written'), ''),
  'write outside': () => writeFileSync(join(other, 'written'), ''),
  'read the store': () => readFileSync(database),
  'list another folder': () => readdirSync(other),
  'link to outside': () => symlinkSync(database, join(own, 'link')),
  'start a process': () => {
    const { error } = spawnSync('/bin/true');
    if (error !== undefined) throw error;
  },
  'start a worker': () => new Worker('', { eval: true }),
  'load an addon': () => process.dlopen({ exports: {} }, join(other, 'none.node')),
  'start WASI': () => new WASI({ version: 'preview1' }),
  'open a debugger': () => open(0, '127.0.0.1')[Symbol.dispose](),
  'make code from text': () => Function('return 1')(),
  'have SQLite load an extension': () =>
    new DatabaseSync(':memory:', { allowExtension: true }).close(),
  'have SQLite open the store': () => new DatabaseSync(database).close(),
};

const came: Record<string, string> = {};
for (const [name, attempt] of Object.entries(attempts)) {
  try {
    attempt();
    came[name] = 'done';
  } catch (error) {
    const { code, name: kind } = error as { code?: string; name: string };
    came[name] = code ?? kind;
  }
}
const server = createServer().listen(0, '127.0.0.1');
came['listen to TCP'] = await new Promise<string>((resolve) => {
  server.once('listening', () => resolve('done'));
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.name));
});
server.close();
process.stdout.write(JSON.stringify(came));
