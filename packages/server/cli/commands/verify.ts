import type { InstanceKeys } from '@amanat/core/verify';
import { instancePaths } from '../../config/paths.ts';
import type { ImportProblem } from '../../custody/custody.ts';
import { verifyImports } from '../../custody/custody.ts';
import { SqliteCustodyStore } from '../../custody/store-sqlite.ts';
import { createSqliteLogStore } from '../../log/store-sqlite.ts';
import { StorageError } from '../../storage/errors.ts';
import type { Database } from '../../storage/sqlite.ts';
import { databaseInMemory, openDatabaseForReading } from '../../storage/sqlite.ts';
import type { Call, Command } from '../command.ts';
import { createStore } from '../create-instance.ts';
import { readKeys } from '../history-words.ts';
import { requireInstance } from '../instance.ts';
import { PROCESSES_OPTION, processesOf } from '../log-place.ts';
import { format } from '../progress.ts';
import type { LogVerification } from '../verify-log.ts';
import { verifyLog } from '../verify-log.ts';

/** What `verify` found, whole. */
export interface InstanceVerification {
  readonly verified: boolean;
  readonly log: LogVerification;
  readonly structure: readonly string[];
  readonly imports: readonly ImportProblem[];
  readonly importsChecked: number;
}

/** `amanat verify`: the whole log, and the store against it. */
export const verify: Command = {
  usage: '[--keys FILE] [--processes N]',
  about:
    'Checks the whole log from its leaves: the tree’s root against the signed checkpoint, every published tile and ' +
    'bundle; that each leaf about a person has its sealed statement; every public entry’s signatures, in order; the ' +
    'cosignatures of the witnesses that these entries appoint; and the root of each import against the ciphertexts in ' +
    'the store, so that a changed, lost or swapped record shows. It opens nothing and needs no key, and may run beside a ' +
    'gateway. Exits with 1 where anything differs.',
  example: 'amanat verify --dir ./amanat-data --keys published-keys.json',
  options: {
    keys: {
      value: 'FILE',
      help: 'JSON with logKey, witnesses, known from elsewhere (the log’s own)',
    },
    ...PROCESSES_OPTION,
  },
  words: [0, 0],
  async run(call) {
    const keysPath = call.arguments.text('keys');
    const pinned = keysPath === null ? null : await readKeys(keysPath);
    const processes = processesOf(call.arguments);
    const found = await verifyInstance(call, { pinned, processes });
    const { log } = found;
    const { register, published, ...facts } = log;
    return {
      ok: found.verified,
      json: {
        verified: found.verified,
        reason: isUnpublished(found) ? 'nothing-published' : null,
        ...facts,
        publishedSize: published?.size ?? null,
        structure: found.structure,
        imports: { checked: found.importsChecked, problems: found.imports },
      },
      lines: describe(found),
    };
  },
};

/** Checks an instance's log and store. The demonstration does the same. */
export async function verifyInstance(
  call: Pick<Call, 'dir' | 'progress' | 'signal'>,
  {
    pinned,
    processes,
  }: {
    readonly pinned: Pick<InstanceKeys, 'logKey' | 'witnesses'> | null;
    readonly processes: number;
  },
): Promise<InstanceVerification> {
  requireInstance(call.dir);
  const paths = instancePaths(call.dir);
  const database = openDatabaseForReading(paths.database);
  try {
    requireSchema(database);
    const store = createSqliteLogStore(database);
    const progress = call.progress('checking the log', 'leaves');
    const log = await verifyLog({
      store,
      database: paths.database,
      publicDirectory: paths.public,
      logKey: pinned?.logKey ?? null,
      pinned: pinned?.witnesses ?? null,
      processes,
      onLeaves: (leaves, size) => progress.at(leaves, size),
      signal: call.signal,
    });
    progress.end(log.size);
    const structure = database.integrity();
    const custody = new SqliteCustodyStore(database);
    const imports = await verifyImports(custody, store);
    const importsChecked = custody.importsIn('ended', Number.MAX_SAFE_INTEGER).length;
    const verified = log.differences.length === 0 && structure.length === 0 && imports.length === 0;
    return { verified, log, structure, imports, importsChecked };
  } finally {
    database.close();
  }
}

/** Whatever is read of a store of another schema means nothing. @throws StorageError 'store-damaged' */
function requireSchema(database: Database): void {
  const asMade = databaseInMemory();
  try {
    createStore(asMade);
    if (database.schema() === asMade.schema()) return;
  } finally {
    asMade.close();
  }
  throw new StorageError('store-damaged', 'the store’s tables are not those that it was made with');
}

/** Whether this is an instance that was made and never served: nothing is wrong, and nothing can be checked yet. */
function isUnpublished({ log, structure, imports }: InstanceVerification): boolean {
  const isGenesisAlone = log.size === 1 && log.publicEntries === 1 && log.register.genesis !== null;
  const [difference, another] = log.differences;
  return (
    isGenesisAlone &&
    difference?.difference === 'no-checkpoint' &&
    another === undefined &&
    structure.length + imports.length === 0
  );
}

function describeWitnesses({ published, witnesses }: LogVerification): string {
  if (witnesses === null) {
    return published === null ? 'Cosigned by nobody that can be read.' : 'Not yet witnessed.';
  }
  const { cosigners, count, quorum } = witnesses;
  const names = cosigners.length === 0 ? '' : `: ${cosigners.join(', ')}`;
  return `Cosigned by ${cosigners.length} of ${count} witnesses, of whom ${quorum} have to${names}.`;
}

function describe(found: InstanceVerification): string[] {
  const { verified, log, structure, imports, importsChecked } = found;
  const inert = Object.entries(log.inert).map(([why, count]) => `${count} ${why}`);
  return [
    `Leaves: ${format(log.size)} (${format(log.personalEntries)} about people, ` +
      `${format(log.publicEntries)} public).`,
    `Published checkpoint: ${log.published === null ? 'none that can be read' : `size ${format(log.published.size)}`}.`,
    describeWitnesses(log),
    ...(inert.length === 0 ? [] : [`Without effect: ${inert.join(', ')}.`]),
    `Imports: ${importsChecked} checked against the store.`,
    ...log.differences.map(
      ({ difference, at }) => `  DIFFERS ${difference}${at === null ? '' : ` at ${at}`}`,
    ),
    ...structure.map((problem) => `  DAMAGED ${problem}`),
    ...imports.map(({ import: index, problem }) => `  DIFFERS import ${index}: ${problem}`),
    ...(isUnpublished(found) ? ['Nothing is published yet: start amanat serve once.'] : []),
    `Log key: ${log.logKey ?? 'unknown'}`,
    verified ? 'Verified.' : 'NOT VERIFIED.',
  ];
}
