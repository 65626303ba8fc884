import type { Genesis } from '@amanat/core/grants';
import type { KeeperPort } from '@amanat/keeper/client';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import type { LogReason } from '../log/log.ts';
import { witnessedSchema } from './problem.ts';
import { nullableText } from './schemas.ts';

/** Stands on every page of a demonstration. */
const DEMO_BANNER =
  'demonstration: keeper, gateway, log and witnesses share one machine and one user; the guarantees against the operator are off';

/** How long the keeper may take before health calls it away. */
const KEEPER_TIMEOUT_MS = 2_000;
/** How long an answer about the keeper is good for: health is asked for by anyone. */
const KEEPER_FRESH_MS = 1_000;

export interface StateDeps {
  readonly log: {
    readonly reason: LogReason | null;
    readonly register: { readonly genesis: Genesis | null };
    now(): number;
  };
  readonly keeper: KeeperPort;
  readonly mode: 'demo' | 'trial';
}

const instance = Type.Object({
  origin: nullableText,
  mode: Type.String(),
  banner: nullableText,
  logKey: nullableText,
  keeperKey: nullableText,
  keeperSealingKey: nullableText,
  activationSeconds: Type.Union([Type.Integer(), Type.Null()]),
  time: Type.Integer(),
  ...witnessedSchema,
});

const health = Type.Object({
  status: Type.String({ description: 'ok or degraded' }),
  keeper: Type.String({ description: 'ok or unavailable' }),
  log: Type.String({ description: 'ok, or why it takes no entries' }),
  ...witnessedSchema,
});

/** What this instance is, and whether it is well. */
export async function stateRoutes(app: FastifyInstance, deps: StateDeps): Promise<void> {
  const { log, mode } = deps;
  const keeperAnswers = watchKeeper(deps);

  app.get(
    '/v1/instance',
    { schema: { summary: 'What this instance is, and its keys', response: { 200: instance } } },
    async () => {
      const { genesis } = log.register;
      return {
        origin: genesis?.origin ?? null,
        mode,
        banner: mode === 'demo' ? DEMO_BANNER : null,
        logKey: genesis?.logKey ?? null,
        keeperKey: genesis?.keeperKey ?? null,
        keeperSealingKey: genesis?.keeperSealingKey ?? null,
        activationSeconds: genesis?.activationSeconds ?? null,
        time: log.now(),
      };
    },
  );

  app.get(
    '/v1/health',
    {
      schema: {
        summary: 'Whether entries are taken and records can be read',
        response: { 200: health, 503: health },
      },
    },
    async (_request, reply) => {
      const keeper = (await keeperAnswers()) ? 'ok' : 'unavailable';
      const status = keeper === 'ok' && log.reason === null ? 'ok' : 'degraded';
      if (status !== 'ok') reply.code(503);
      return { status, keeper, log: log.reason ?? 'ok' };
    },
  );
}

/** Whether the keeper answers; asked at most once a second. */
function watchKeeper({ keeper, log }: StateDeps): () => Promise<boolean> {
  let asked = Number.NEGATIVE_INFINITY;
  let answer: Promise<boolean> = Promise.resolve(false);
  return () => {
    const now = log.now();
    if (Math.abs(now - asked) < KEEPER_FRESH_MS) return answer;
    asked = now;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, KEEPER_TIMEOUT_MS, false);
    });
    const status = keeper.ask('status', {}).then(
      () => true,
      () => false,
    );
    answer = Promise.race([status, late]).finally(() => clearTimeout(timer));
    return answer;
  };
}
