import { base64 } from '@amanat/core/bytes';
import type { ExpiredMonth } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import { readShredCertificate } from '@amanat/core/shred-certificate';
import type { CertifiedEntry } from '@amanat/core/verify';
import type { KeeperPort } from '@amanat/keeper/client';
import type { Log } from '../log/log.ts';
import type { Warn } from '../warn.ts';
import { namesOf } from '../warn.ts';
import type { CertificateStore, StoredCertificate } from './store.ts';

export type { CertificateStore, StoredCertificate } from './store.ts';

/** How often the keeper is asked what is due. */
const LOOK_MS = 3_600_000;
/** How often at most it is asked in a row: it tells of some months at a time. */
const ROUNDS_MAX = 64;
/** Certificates that one run fetches at most. */
const CERTIFICATES_MAX = 4096;
/** Months that are told of, the latest: a hundred years of one holding. */
const MONTHS_MAX = 1200;

export interface ShreddingDeps {
  readonly keeper: KeeperPort;
  readonly log: Pick<Log, 'appendPublic' | 'leaf' | 'now' | 'onOpen' | 'register'>;
  readonly store: CertificateStore;
  readonly warn: Warn;
}

/** A month that has expired; `destroyed` is when, by the keeper's certificate, null while that is not here yet. */
export type DestroyedMonth = ExpiredMonth & { readonly destroyed: number | null };

/** The part that has months expire by themselves, and keeps the keeper's certificates of what it destroyed. */
export interface Shredding extends Disposable {
  /** Enters the expiry of each month that is due, and fetches the certificates that are not here yet. Never rejects. */
  run(): Promise<void>;
  /** Certificates from index `from` on, at most `max`, in order. */
  certificates(from: number, max: number): readonly StoredCertificate[];
  /** The months that have expired, in order, the latest where there are many. */
  months(): readonly DestroyedMonth[];
  /** One certificate by the index of its entry, with the entry's leaf; null where there is none. */
  certificate(index: number): (CertifiedEntry & { readonly index: number }) | null;
}

/** Makes the part: it runs whenever the log opens, and every hour. */
export function createShredding(deps: ShreddingDeps): Shredding {
  const { log, store, warn } = deps;
  let running: Promise<void> = Promise.resolve();
  // One after another: what was asked for while one runs is not missed by it.
  const run = () => {
    running = running.then(() =>
      shred(deps).catch((error: unknown) => warn('shredding', namesOf(error))),
    );
    return running;
  };
  log.onOpen(() => void run());
  const timer = setInterval(() => void run(), LOOK_MS).unref();
  return {
    run,
    certificates: (from, max) => store.list(from, max),
    months: () =>
      log.register
        .expired()
        .slice(-MONTHS_MAX)
        .map((month) => ({ ...month, destroyed: destroyedBy(store.find(month.index)) })),
    certificate: (index) => {
      const found = store.find(index);
      const leaf = found && log.leaf(index);
      return found && leaf && { ...found, leaf: base64(leaf) };
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}

async function shred(deps: ShreddingDeps): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    if (!(await expireSome(deps))) break;
  }
  await certify(deps);
}

/** Enters what the keeper says is due. Gives whether there may be more: the keeper tells of some at a time. */
async function expireSome({ keeper, log }: ShreddingDeps): Promise<boolean> {
  const { answer } = await keeper.ask('status', {});
  let entered = 0;
  for (const { holding, month } of answer.due) {
    const document = writeDocument<'expiry'>({ type: 'expiry', holding, month, time: log.now() });
    const appended = await log.appendPublic({ document, signatures: [] });
    // By this gateway's own clock it may not be due yet: the next run tries again.
    if ('index' in appended) entered += 1;
  }
  return entered > 0;
}

/** Fetches what the keeper has destroyed since the last certificate here. */
async function certify({ keeper, store }: ShreddingDeps): Promise<void> {
  for (let count = 0; count < CERTIFICATES_MAX; count++) {
    const { answer } = await keeper.ask('shred', { from: store.last() + 1 });
    if (answer.shred === null) return;
    const { index } = readShredCertificate(answer.shred.certificate);
    store.put({ index, ...answer.shred });
  }
}

function destroyedBy(found: StoredCertificate | null): number | null {
  return found === null ? null : readShredCertificate(found.certificate).destroyed;
}
