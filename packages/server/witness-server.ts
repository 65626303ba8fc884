import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { fastify, LogController } from 'fastify';
import type { Logger } from 'pino';
import { destination, pino } from 'pino';
import { InstanceLock } from './config/lock.ts';
import { lineOf, withoutContent } from './http/server.ts';
import { toStorageError } from './storage/errors.ts';
import { openDatabase } from './storage/sqlite.ts';
import { sendText, witnessRoutes } from './witness/routes.ts';
import { createSqliteWitnessStore } from './witness/store-sqlite.ts';
import type { WitnessFolder } from './witness/witness.ts';
import { openWitnessFolder, Witness } from './witness/witness.ts';

/** How long a request's head, and all of it, may take to arrive. */
const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
/** Connections at a time: each may hold one body. */
const CONNECTIONS_MAX = 512;
/** How often connections are looked at for the time they have taken. */
const CHECK_MS = 1_000;

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
  const app = fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // Ours are in the hook below, and name a route's pattern.
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: true,
    requestIdHeader: false,
    http: { connectionsCheckingInterval: CHECK_MS },
    clientErrorHandler: (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
    },
  });
  app.server.headersTimeout = HEADERS_TIMEOUT_MS;
  app.server.maxConnections = CONNECTIONS_MAX;
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(lineOf(request, reply), 'answered');
  });
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
