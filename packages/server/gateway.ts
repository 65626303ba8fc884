import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KeeperClient } from '@amanat/keeper/client';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { destination, pino } from 'pino';
import { createOrders } from './ceremony/orders.ts';
import { createCitizen } from './citizen/citizen.ts';
import { citizenRoutes } from './citizen/routes.ts';
import type { Config } from './config/config.ts';
import { ConfigError, readConfig } from './config/config.ts';
import { InstanceLock } from './config/lock.ts';
import type { InstancePaths } from './config/paths.ts';
import { instancePaths } from './config/paths.ts';
import { createCustody } from './custody/custody.ts';
import { importRoutes } from './custody/routes.ts';
import { SqliteCustodyStore } from './custody/store-sqlite.ts';
import type { Disclosure } from './disclosure/disclosure.ts';
import { createDisclosure } from './disclosure/disclosure.ts';
import { requestRoutes } from './disclosure/routes.ts';
import { runDevice, runKeeper, runWitnesses } from './embedded-process.ts';
import { holdingRoutes } from './holdings/routes.ts';
import { pageRoutes } from './http/pages.ts';
import type { Listener } from './http/server.ts';
import { createServer, listenOnPort } from './http/server.ts';
import { stateRoutes } from './http/state.ts';
import { Log, LogKeys } from './log/log.ts';
import { logRoutes } from './log/routes.ts';
import { createSqliteLogStore } from './log/store-sqlite.ts';
import manifest from './package.json' with { type: 'json' };
import { createPeople } from './people/people.ts';
import { peopleRoutes } from './people/routes.ts';
import { sealRoutes } from './seals/routes.ts';
import { createSeals } from './seals/seals.ts';
import { shreddingRoutes } from './shredding/routes.ts';
import type { Shredding } from './shredding/shredding.ts';
import { createShredding } from './shredding/shredding.ts';
import { createSqliteCertificateStore } from './shredding/store-sqlite.ts';
import type { Database } from './storage/sqlite.ts';
import { openDatabase } from './storage/sqlite.ts';
import type { Warn } from './warn.ts';
import { namesOf } from './warn.ts';

const PAGES = fileURLToPath(new URL('../web/dist', import.meta.url));
/** Longest path that a Unix socket takes on every system that we run on. */
const SOCKET_PATH_BYTES_MAX = 100;
/** How long a start waits for keeper and log; after that it serves all the same, and says what is missing. */
const READY_MS_MAX = 15_000;
const RETRY_MS = 100;

export interface GatewayOptions {
  /** The instance's folder. */
  readonly dir: string;
  /** The TCP port: absent, the settings' own; 0, any; null, none but the Unix socket. */
  readonly port?: number | null;
  /** Whether the keeper is this gateway's child; absent: as the settings say. */
  readonly keeper?: 'embedded' | 'external';
  readonly logger?: Logger;
  /** The built pages. */
  readonly pages?: string;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

/** A gateway that serves. */
export interface Gateway extends AsyncDisposable {
  /** Where it serves over TCP; null where it does not. */
  readonly url: string | null;
  readonly socketPath: string;
  /** The part that answers requests, for whoever asks in this same process. */
  readonly disclosure: Disclosure;
  /** The keeper's process, where it is this gateway's child and runs. */
  readonly keeperPid: number | null;
  /** Answers what is under way, and ends: server, log, keeper, store, in this order. */
  close(): Promise<void>;
}

/**
 * Starts an instance's gateway: its one composition root. It serves once log and keeper are ready, or degraded
 * (503 where an entry would be needed) after a while without them; they are taken up whenever they come.
 * @throws ConfigError, StorageError; what listening throws. Nothing is left running then.
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { dir, port } = options;
  const now = options.now ?? Date.now;
  const logger = options.logger ?? defaultLogger(port);
  const config = readConfig(dir);
  const paths = instancePaths(dir);
  requireShortPaths(paths);
  await using started = new AsyncDisposableStack();
  mkdirSync(paths.run, { recursive: true, mode: 0o700 });
  const lock = new InstanceLock(paths.lock);
  started.defer(() => lock.release());
  const database = openDatabase(paths.database);
  started.defer(() => database.close());

  // A keeper that still dies with the last gateway is waited for: its folder is locked until it is gone.
  const isExternal = (options.keeper ?? config.keeper) === 'external';
  const device =
    isExternal || config.device === null
      ? null
      : runDevice(paths, config.device, (event) => logger.info(event, 'device'));
  started.defer(() => device?.stop());
  const child = isExternal
    ? null
    : runKeeper(paths, config.standby, (event) => logger.info(event, 'keeper'));
  started.defer(() => child?.stop());
  // A demonstration's witnesses are nobody else's: whoever goes on with it has them too.
  const witnesses =
    config.mode === 'demo' && existsSync(paths.witnesses)
      ? runWitnesses(paths, (event) => logger.info(event, 'witnesses'))
      : null;
  started.defer(() => witnesses?.stop());
  const keeper = started.use(new KeeperClient(paths.keeperSocket));

  const parts = createParts({ config, paths, database, keeper, now, logger });
  started.defer(() => parts.close());
  await within(READY_MS_MAX, Promise.all([witnesses?.ready, parts.log.ready()]));

  const app = await createApp({
    config,
    paths,
    parts,
    keeper,
    now,
    logger,
    pages: options.pages ?? PAGES,
  });
  started.defer(() => app.close());
  rmSync(paths.gatewaySocket, { force: true });
  await app.listen({ path: paths.gatewaySocket });
  chmodSync(paths.gatewaySocket, 0o600);
  const listener = port === null ? null : await listenOnPort(app, port ?? config.port);
  started.defer(() => listener?.close());

  const running = started.move();
  const close = () => running.disposeAsync();
  return {
    url: urlOf(listener),
    socketPath: paths.gatewaySocket,
    disclosure: parts.disclosure,
    get keeperPid() {
      return child?.pid ?? null;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface PartsDeps {
  readonly config: Config;
  readonly paths: InstancePaths;
  readonly database: Database;
  readonly keeper: KeeperClient;
  readonly now: () => number;
  readonly logger: Logger;
}

function createParts({ config, paths, database, keeper, now, logger }: PartsDeps) {
  const log = new Log({
    store: createSqliteLogStore(database),
    keeper,
    keys: new LogKeys(paths.log, config.origin),
    publicDirectory: paths.public,
    publishSeconds: config.publishSeconds,
    publicWitnesses: config.publicWitnesses,
    now,
    onChange: (reason) => logger.warn({ reason }, reason === null ? 'log open' : 'log closed'),
    onFailure: (where, error) => logger.warn({ where, ...namesOf(error) }, 'log failure'),
  });
  keeper.onLost((error) => log.loseKeeper(error));
  const custody = createCustody({
    store: new SqliteCustodyStore(database),
    keeper,
    log,
    folder: paths.imports,
    allowSynthetic: config.allowSynthetic,
    randomBytes,
  });
  const warn: Warn = (event, facts) => logger.warn(facts, event);
  const disclosure = createDisclosure({
    keeper,
    log,
    records: custody,
    warn,
    retryMs: RETRY_MS,
    randomBytes,
  });
  const shredding = createShredding({
    keeper,
    log,
    store: createSqliteCertificateStore(database),
    warn,
  });
  const citizen = createCitizen({
    disclosure,
    keeper,
    log,
    custody,
    certify: () => certifyAtOnce(shredding, log),
  });
  const people = createPeople({ log });
  const seals = createSeals({ disclosure, keeper, log, warn });
  const orders = createOrders({ keeper, log, warn });
  let isRecovered = false;
  log.onOpen(() => {
    if (isRecovered) return;
    isRecovered = true;
    custody.imports.recover();
    void disclosure.start().then(() => seals.look());
  });
  const close = async () => {
    seals[Symbol.dispose]();
    orders[Symbol.dispose]();
    shredding[Symbol.dispose]();
    await disclosure.close();
    await custody.imports.close();
    await log.close();
  };
  return { log, custody, disclosure, citizen, people, seals, shredding, close };
}

/** Has the keeper certify what it has just destroyed, and its entry published, so that the certificate can be proven. */
async function certifyAtOnce(shredding: Shredding, log: Log): Promise<void> {
  await shredding.run();
  await log.flush().catch(() => {});
}

interface AppDeps extends Omit<PartsDeps, 'database'> {
  readonly parts: ReturnType<typeof createParts>;
  readonly pages: string;
}

async function createApp(deps: AppDeps): Promise<FastifyInstance> {
  const { config, paths, parts, keeper, now, logger, pages } = deps;
  const { log, custody, disclosure, citizen, people, seals, shredding } = parts;
  const { mode, trustedProxy } = config;
  const { version } = manifest;
  const witnessed = () => log.witnessed();
  const app = await createServer({ logger, mode, version, now, witnessed, trustedProxy });
  await app.register(stateRoutes, { log, keeper, mode });
  await app.register(logRoutes, { publicDirectory: paths.public });
  await app.register(holdingRoutes, { log });
  await app.register(peopleRoutes, { people });
  await app.register(importRoutes, { custody });
  await app.register(requestRoutes, { disclosure });
  await app.register(citizenRoutes, { citizen });
  await app.register(sealRoutes, { seals });
  await app.register(shreddingRoutes, { shredding });
  await app.register(pageRoutes, { directory: pages });
  return app;
}

/** Lines are written when so many bytes of them have come, or after so long: not each by itself. */
const LINES_BYTES = 4096;
const LINES_MS = 100;

/** A command's own short-lived gateway says nothing; one that serves writes its lines to standard error. */
function defaultLogger(port: number | null | undefined): Logger {
  return port === null
    ? pino({ level: 'silent' })
    : pino(
        { base: null },
        destination({ fd: 2, sync: false, minLength: LINES_BYTES, periodicFlush: LINES_MS }),
      );
}

function requireShortPaths({ keeperSocket, gatewaySocket, deviceSocket }: InstancePaths): void {
  for (const path of [keeperSocket, gatewaySocket, deviceSocket]) {
    if (Buffer.byteLength(path) <= SOCKET_PATH_BYTES_MAX) continue;
    throw new ConfigError(
      'bad-config',
      'the folder’s path is too long for a Unix socket: use a shorter one',
    );
  }
}

function urlOf(listener: Listener | null): string | null {
  return listener === null ? null : `http://127.0.0.1:${listener.port}`;
}

async function within(milliseconds: number, done: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([done, late]);
  clearTimeout(timer);
}
