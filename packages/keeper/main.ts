import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { KEEPER_FILES } from './create.ts';
import { Keeper } from './keeper.ts';
import { FolderLock } from './lock.ts';
import { passphraseFile } from './providers/passphrase-file.ts';
import { KeeperSocket } from './socket.ts';

/**
 * The keeper's process: `main.ts --dir FOLDER --socket PATH --passphrase-file PATH [--embedded] [--group]`.
 * With --group the socket is open to its group too: the gateway then is another user.
 * Says `ready` on standard output once it serves. Ends with status 1 where anything is in doubt.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string' },
      socket: { type: 'string' },
      'passphrase-file': { type: 'string' },
      embedded: { type: 'boolean', default: false },
      group: { type: 'boolean', default: false },
    },
  });
  const { dir, socket: path, 'passphrase-file': passphraseAt } = values;
  if (dir === undefined || path === undefined || passphraseAt === undefined) {
    throw new Error('--dir, --socket and --passphrase-file are needed');
  }
  // Database, journal and socket are for this user alone, from the moment that each is made.
  process.umask(0o077);
  // Two keepers of one database would each release what the other counts.
  const lock = new FolderLock(join(dir, KEEPER_FILES.lock));
  const passphrase = Buffer.from(readFileSync(passphraseAt, 'utf8').trimEnd());
  const root = passphraseFile(join(dir, KEEPER_FILES.root), passphrase);
  const keeper = await Keeper.open({
    database: join(dir, KEEPER_FILES.database),
    root,
    wall: () => Date.now(),
  });
  passphrase.fill(0);
  const socket = new KeeperSocket(keeper, stop);
  await socket.listen(path, values.group ? 0o660 : 0o600);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await socket.close();
      keeper.close();
      lock.release();
      process.exit(0);
    });
  }
  if (values.embedded) {
    // Its gateway holds the other end of standard input: when that ends, there is nobody to serve.
    process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM')).resume();
  }
  process.stdout.write('ready\n');
}

function stop(error: unknown): never {
  process.stderr.write(`keeper: ${error instanceof Error ? error.message : 'unknown failure'}\n`);
  process.exit(1);
}

main().catch(stop);
