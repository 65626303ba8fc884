import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Ceremony } from './ceremony.ts';
import { KEEPER_FILES } from './create.ts';
import { Keeper } from './keeper.ts';
import { FolderLock } from './lock.ts';
import { Device } from './providers/pkcs11.ts';
import { Refusal } from './refusal.ts';
import type { Answering } from './socket.ts';
import { KeeperSocket } from './socket.ts';
import { StandbyFolder } from './standby-folder.ts';

/** How long to wait before it is looked whether there is anything to do, and between two steps of it. */
const IDLE_MS = 500;
const BETWEEN_MS = 5;

/**
 * The keeper's process:
 * `main.ts --dir FOLDER --socket PATH --passphrase-file PATH [--standby FOLDER] [--embedded] [--group]`.
 * With --standby every change is durable in that folder too before it is answered. With --group the socket is open to
 * its group too: the gateway then is another user.
 * Says `locked` on standard output where it waits for its custodians or its device, and `ready` once it serves. Ends with status 1 where
 * anything is in doubt.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      dir: { type: 'string' },
      socket: { type: 'string' },
      'passphrase-file': { type: 'string' },
      standby: { type: 'string' },
      embedded: { type: 'boolean', default: false },
      group: { type: 'boolean', default: false },
    },
  });
  const { dir, socket: path, 'passphrase-file': passphraseAt } = values;
  if (dir === undefined || path === undefined || passphraseAt === undefined) {
    throw new Error('--dir, --socket and --passphrase-file are needed');
  }
  // Database, journal and sockets are for this user alone, from the moment that each is made.
  process.umask(0o077);
  // Two keepers of one database would each release what the other counts.
  const lock = new FolderLock(join(dir, KEEPER_FILES.lock));
  const standby = values.standby === undefined ? null : new StandbyFolder(values.standby, dir);
  const ceremony = new Ceremony({
    readPassphrase: () => readFileSync(passphraseAt),
    device: new Device(join(dir, KEEPER_FILES.device)),
  });
  let keeper: Keeper | null = null;
  const opening = Keeper.open({
    database: join(dir, KEEPER_FILES.database),
    standby: standby?.database ?? null,
    root: ceremony,
    wall: () => Date.now(),
  }).then((opened) => {
    ceremony.open(opened);
    keeper = opened;
    return opened;
  });
  // Nobody finds a socket before it is known whether the keeper opens by itself, waits, or does neither.
  await Promise.race([opening, ceremony.isWaiting]);
  const front: Answering = {
    greet: () => keeper?.greet(),
    answerTogether: async (questions) => keeper?.answerTogether(questions) ?? questions.map(locked),
  };
  const gateways = new KeeperSocket(front, stop);
  const custodians = new KeeperSocket(ceremony, stop);
  await gateways.listen(path, values.group ? 0o660 : 0o600);
  await custodians.listen(join(dir, KEEPER_FILES.ceremony), 0o600);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, async () => {
      await Promise.all([gateways.close(), custodians.close()]);
      keeper?.close();
      lock.release();
      standby?.release();
      process.exit(0);
    });
  }
  if (values.embedded) {
    // Its gateway holds the other end of standard input: when that ends, there is nobody to serve.
    process.stdin.once('close', () => process.kill(process.pid, 'SIGTERM')).resume();
  }
  if (keeper === null) process.stdout.write('locked\n');
  const opened = await opening;
  process.stdout.write('ready\n');
  step(opened);
}

function locked(): Refusal {
  return new Refusal('locked', 'the keeper is locked until its custodians or its device open it');
}

/** Has the keeper do what can wait, between messages and for as long as it lives. */
function step(keeper: Keeper): void {
  keeper
    .step()
    .then((isMore) => setTimeout(step, isMore ? BETWEEN_MS : IDLE_MS, keeper))
    .catch(stop);
}

function stop(error: unknown): never {
  process.stderr.write(`keeper: ${error instanceof Error ? error.message : 'unknown failure'}\n`);
  process.exit(1);
}

main().catch(stop);
