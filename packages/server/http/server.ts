import type { Server } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import swagger from '@fastify/swagger';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { endMalformed } from './arrival.ts';
import { createBoundedServer, timesOf, withoutContent } from './bounded.ts';
import type { Bounds } from './bounds.ts';
import { BOUNDS } from './bounds.ts';
import { Failures } from './failures.ts';
import { faultOf, sendFault, toFault } from './faults.ts';
import { clientOf, trustOf } from './network.ts';
import type { Witnessed } from './problem.ts';
import { UNWITNESSED } from './problem.ts';
import { securityHeaders } from './security-headers.ts';

const BODY_BYTES_MAX = 128 * 1024;
const PARAM_LENGTH_MAX = 200;
/** How long requests under way may take once the server stops. */
const GRACE_MS = 5_000;

export interface ServerOptions {
  readonly logger: Logger;
  readonly mode: 'demo' | 'trial';
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Whether the log is witnessed, in members that every answer has. */
  readonly witnessed?: () => Witnessed;
  /** Addresses of the proxies whose word about the client's address is taken; absent: of none. */
  readonly trustedProxy?: readonly string[];
  readonly bounds?: Bounds;
}

/**
 * The HTTP server without any route: strict bodies, problems for every failure, the description at
 * GET /v1/openapi.json, and log lines that name the route's pattern and never what was asked.
 */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const { trustedProxy = [], bounds = BOUNDS } = options;
  const app = createBoundedServer(options.logger, bounds, {
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    trustProxy: trustOf(trustedProxy),
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // An unknown member is refused by name, never dropped in silence.
    ajv: { customOptions: { removeAdditional: false, useDefaults: false } },
    // Fastify's own answers to an address that it cannot route repeat the address.
    frameworkErrors: (error, _request, reply) => {
      const code = error.code === 'FST_ERR_BAD_URL' ? 'malformed' : 'not-found';
      return sendFault(reply, faultOf(code));
    },
  });
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), GRACE_MS).unref();
  });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Amanat',
        version: options.version,
        description: 'Custody of people’s records under accountability.',
      },
    },
  });
  addAnswers(app, options);
  app.get('/v1/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

function addAnswers(
  app: FastifyInstance,
  { mode, now, witnessed = () => UNWITNESSED }: ServerOptions,
): void {
  const failures = new Failures();
  const headers = securityHeaders();
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    if (mode === 'demo') reply.header('amanat-mode', 'demo');
    if (request.url.startsWith('/v1/')) reply.header('cache-control', 'no-store');
    const client = clientOf(request);
    const wait = client === null ? 0 : failures.waitSeconds(client, now());
    if (wait > 0) {
      reply.header('retry-after', wait);
      return sendFault(reply, faultOf('too-many-requests'));
    }
    return undefined;
  });
  app.addHook('preSerialization', async (request, _reply, payload) =>
    // The description is nobody's answer.
    request.routeOptions.schema?.hide === true ? payload : { ...Object(payload), ...witnessed() },
  );
  app.addHook('onResponse', async (request, reply) => {
    const client = clientOf(request);
    if (client !== null && (reply.statusCode === 400 || reply.statusCode === 401)) {
      failures.add(client, now());
    }
  });
  app.setErrorHandler((error, request, reply) => {
    const fault = toFault(error);
    if (fault.meaning.status >= 500) request.log.error(withoutContent(error), fault.code);
    return sendFault(reply, fault);
  });
  app.setNotFoundHandler((_request, reply) => sendFault(reply, faultOf('not-found')));
}

/** A second listener of the same routes. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on a TCP port of the loopback interface besides wherever the app listens; port 0 takes any. */
export async function listenOnPort(
  app: FastifyInstance,
  port: number,
  bounds: Bounds = BOUNDS,
): Promise<Listener> {
  const server = createHttpServer(timesOf(bounds), (request, response) =>
    app.routing(request, response),
  );
  server.maxConnections = bounds.connectionsMax;
  server.on('clientError', endMalformed);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: '127.0.0.1', port }, resolve);
  });
  const address = server.address();
  const actual = typeof address === 'object' && address !== null ? address.port : port;
  return { port: actual, close: () => closeServer(server) };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
