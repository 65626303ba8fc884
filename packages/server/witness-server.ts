import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { destination, pino } from 'pino';
import { InstanceLock } from './config/lock.ts';
import { createBoundedServer, withoutContent } from './http/bounded.ts';
import type { Bounds } from './http/bounds.ts';
import { BOUNDS } from './http/bounds.ts';
import { toStorageError } from './storage/errors.ts';
import { openDatabase } from './storage/sqlite.ts';
import { sendText, witnessRoutes } from './witness/routes.ts';
import { createSqliteWitnessStore } from './witness/store-sqlite.ts';
import type { WitnessFolder } from './witness/witness.ts';
import { openWitnessFolder, Witness } from './witness/witness.ts';

/** Nearer bounds than a gateway's: a witness has one short call, and each connection may hold one body. */
const WITNESS_BOUNDS: Bounds = {
  ...BOUNDS,
  connectionsMax: 512,
  headersMs: 5_000,
  bodyMs: 10_000,
  checkMs: 1_000,
};

export interface WitnessServerOptions {
  /** The witness's folder. */
  readonly dir: string;
  /** On the loopback interface; 0: any. */
  readonly port: number;
  /** Logs that are witnessed besides those of the folder. */
  readonly logs?: WitnessFolder['logs'];
  readonly logger?: Logger;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A witness that serves. */
export interface WitnessServer extends AsyncDisposable {
  readonly url: string;
  readonly keys: WitnessFolder['keys'];
  readonly logs: WitnessFolder['logs'];
}

/**
 * Starts a witness: its one composition root. Its folder is held for this process alone.
 * @throws WitnessError, ConfigError 'already-served', StorageError; what listening throws. Nothing is left running then.
 */
export async function startWitness(options: WitnessServerOptions): Promise<WitnessServer> {
  const logger = options.logger ?? pino({ base: null }, destination({ fd: 2, sync: false }));
  const folder = openWitnessFolder(options.dir);
  await using started = new AsyncDisposableStack();
  const lock = new InstanceLock(folder.lock);
  started.defer(() => lock.release());
  const database = openDatabase(folder.database);
  started.defer(() => database.close());
  const logs = [...folder.logs, ...(options.logs ?? [])];
  const witness = new Witness({
    keys: folder.keys,
    logs,
    store: createSqliteWitnessStore(database),
    now: options.now ?? Date.now,
    onFork: (fork) => logger.error(fork, 'a log signed two roots for one size'),
  });
  const app = createApp(logger);
  started.defer(() => app.close());
  await app.register(witnessRoutes, { witness });
  const url = await app.listen({ host: '127.0.0.1', port: options.port });
  const running = started.move();
  return { url, keys: folder.keys, logs, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function createApp(logger: Logger): FastifyInstance {
  const app = createBoundedServer(logger, WITNESS_BOUNDS, { forceCloseConnections: true });
  app.server.maxConnections = WITNESS_BOUNDS.connectionsMax;
  app.setNotFoundHandler((_request, reply) => sendText(reply, 404, 'there is nothing here'));
  app.setErrorHandler((error, request, reply) => {
    const { statusCode = 500 } = error as { readonly statusCode?: number };
    if (statusCode < 500) return sendText(reply, statusCode, 'the request is not in its form');
    request.log.error(withoutContent(error), 'failed');
    const isStore = toStorageError(error) !== null;
    return sendText(reply, isStore ? 503 : 500, isStore ? 'the state cannot be kept' : 'failed');
  });
  return app;
}
