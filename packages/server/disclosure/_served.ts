import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import { pino } from 'pino';
import type { Citizen } from '../citizen/citizen.ts';
import { citizenRoutes } from '../citizen/routes.ts';
import { createServer } from '../http/server.ts';
import type { Disclosure } from './disclosure.ts';
import { requestRoutes } from './routes.ts';

/** A logger that says nothing. */
export function silentLogger(): Logger {
  return pino({ level: 'silent' });
}

/** The routes about people over parts that a test has put together. It listens nowhere: use `inject`. */
export async function serveParts(parts: {
  readonly disclosure: Disclosure;
  readonly citizen: Citizen;
}): Promise<FastifyInstance> {
  const app = await createServer({
    logger: silentLogger(),
    mode: 'demo',
    version: '0',
    now: Date.now,
  });
  await app.register(requestRoutes, parts);
  await app.register(citizenRoutes, parts);
  return app;
}
