import type { Server } from 'node:http';
import { createServer as createHttpServer } from 'node:http';
import helmet from '@fastify/helmet';
import swagger from '@fastify/swagger';
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { fastify, LogController } from 'fastify';
import type { Logger } from 'pino';
import { Failures } from './failures.ts';
import { faultOf, sendFault, toFault } from './faults.ts';

const BODY_BYTES_MAX = 128 * 1024;
const PARAM_LENGTH_MAX = 200;
/** How long a request may take to arrive; uploads say otherwise for themselves. */
const HEADERS_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 30_000;
/** How long requests under way may take once the server stops. */
const GRACE_MS = 5_000;

export interface ServerOptions {
  readonly logger: Logger;
  readonly mode: 'demo' | 'trial';
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/**
 * The HTTP server without any route: strict bodies, problems for every failure, the description at
 * GET /v1/openapi.json, and log lines that name the route's pattern and never what was asked.
 */
export async function createServer(options: ServerOptions): Promise<FastifyInstance> {
  const app = fastify({
    loggerInstance: options.logger as FastifyBaseLogger,
    // Ours are in the hook below: Fastify's own would name the address asked for.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    keepAliveTimeout: KEEP_ALIVE_MS,
    forceCloseConnections: 'idle',
    return503OnClosing: true,
    // A client's own id could carry anything into our log lines.
    requestIdHeader: false,
    // An unknown member is refused by name, never dropped in silence.
    ajv: { customOptions: { removeAdditional: false, useDefaults: false } },
    // Fastify's own answers to an address that it cannot route repeat the address.
    frameworkErrors: (error, _request, reply) => {
      const code = error.code === 'FST_ERR_BAD_URL' ? 'malformed' : 'not-found';
      return sendFault(reply, faultOf(code));
    },
    clientErrorHandler: (_error, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
    },
  });
  app.server.headersTimeout = HEADERS_TIMEOUT_MS;
  app.addHook('preClose', async () => {
    setTimeout(() => app.server.closeAllConnections(), GRACE_MS).unref();
  });
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        'default-src': ["'none'"],
        'script-src': ["'self'"],
        'style-src': ["'self'"],
        'font-src': ["'self'"],
        'img-src': ["'self'", 'data:'],
        'connect-src': ["'self'"],
        'manifest-src': ["'self'"],
        'base-uri': ["'none'"],
        'form-action': ["'none'"],
        'frame-ancestors': ["'none'"],
      },
    },
    referrerPolicy: { policy: 'no-referrer' },
    // Whoever ends TLS in front of us says for how long it is to be asked for.
    strictTransportSecurity: false,
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

function addAnswers(app: FastifyInstance, { mode, now }: ServerOptions): void {
  const failures = new Failures();
  app.addHook('onRequest', async (request, reply) => {
    if (mode === 'demo') reply.header('amanat-mode', 'demo');
    if (request.url.startsWith('/v1/')) reply.header('cache-control', 'no-store');
    const address = request.socket.remoteAddress;
    const wait = address === undefined ? 0 : failures.waitSeconds(address, now());
    if (wait > 0) {
      reply.header('retry-after', wait);
      return sendFault(reply, faultOf('too-many-requests'));
    }
    return undefined;
  });
  app.addHook('onResponse', async (request, reply) => {
    const address = request.socket.remoteAddress;
    // The Unix socket is its owner's alone, and has no address.
    if (address !== undefined && (reply.statusCode === 400 || reply.statusCode === 401)) {
      failures.add(address, now());
    }
    request.log.info(lineOf(request, reply), 'answered');
  });
  app.setErrorHandler((error, request, reply) => {
    const fault = toFault(error);
    if (fault.meaning.status >= 500) request.log.error(withoutContent(error), fault.code);
    return sendFault(reply, fault);
  });
  app.setNotFoundHandler((_request, reply) => sendFault(reply, faultOf('not-found')));
}

/** I12: the route's pattern, never the address asked for, its values or a body. */
function lineOf(request: FastifyRequest, reply: FastifyReply) {
  return {
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
  };
}

/** A library's message may quote what it was given: its name, code and place are kept, and ours below it. */
function withoutContent(error: unknown) {
  const { name, code, stack } = error as Partial<Error> & { readonly code?: unknown };
  const at = stack
    ?.split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 12);
  return { error: { name, code, at } };
}

/** A second listener of the same routes. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens on a TCP port of the loopback interface besides wherever the app listens; port 0 takes any. */
export async function listenOnPort(app: FastifyInstance, port: number): Promise<Listener> {
  const server = createHttpServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) =>
    app.routing(request, response),
  );
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  // An upload takes as long as its line needs.
  server.requestTimeout = 0;
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
