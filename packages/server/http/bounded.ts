import type { Server } from 'node:http';
import type {
  FastifyBaseLogger,
  FastifyHttpOptions,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify';
import { fastify, LogController } from 'fastify';
import type { Logger } from 'pino';
import { boundArrival, endMalformed } from './arrival.ts';
import type { Bounds } from './bounds.ts';
import { boundUnread } from './unread.ts';

/**
 * A server without any route whose clients take up no more than the bounds, and whose log lines name a route's
 * pattern and never what was asked: what every server of ours begins with.
 */
export function createBoundedServer(
  logger: Logger,
  bounds: Bounds,
  options: Pick<
    FastifyHttpOptions<Server>,
    | 'ajv'
    | 'bodyLimit'
    | 'forceCloseConnections'
    | 'frameworkErrors'
    | 'return503OnClosing'
    | 'routerOptions'
    | 'trustProxy'
  >,
): FastifyInstance {
  const app: FastifyInstance = fastify({
    ...options,
    loggerInstance: logger as FastifyBaseLogger,
    // Ours are in the hook below: Fastify's own would name the address asked for.
    logController: new LogController({ disableRequestLogging: true }),
    keepAliveTimeout: bounds.keepAliveMs,
    http: timesOf(bounds),
    // A client's own id could carry anything into our log lines.
    requestIdHeader: false,
    clientErrorHandler: endMalformed,
  });
  boundArrival(app, bounds);
  boundUnread(app, bounds);
  app.addHook('onResponse', async (request, reply) => {
    request.log.info(lineOf(request, reply), 'answered');
  });
  return app;
}

/** A body's time is ours to bound (`boundArrival`): Node's `requestTimeout` knows no uploads. */
export function timesOf({ headersMs, checkMs, keepAliveMs }: Bounds) {
  return {
    headersTimeout: headersMs,
    requestTimeout: 0,
    connectionsCheckingInterval: checkMs,
    keepAliveTimeout: keepAliveMs,
  };
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
export function withoutContent(error: unknown) {
  const { name, code, stack } = error as Partial<Error> & { readonly code?: unknown };
  const at = stack
    ?.split('\n')
    .filter((line) => line.startsWith('    at '))
    .slice(0, 12);
  return { error: { name, code, at } };
}
