import type { Register } from '@amanat/core/grants';
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
    readonly register: Pick<
      Register,
      'genesis' | 'logKeys' | 'latestVersion' | 'witnessing' | 'brokenUntil'
    >;
    now(): number;
  };
  readonly keeper: KeeperPort;
  readonly mode: 'demo' | 'trial';
}

const witnessesSchema = Type.Object({
  keys: Type.Array(Type.String({ description: 'C2SP signed-note verifier key.' })),
  names: Type.Array(Type.String({ description: 'The name in the key at the same place.' })),
  count: Type.Integer(),
  quorum: Type.Integer({ description: 'How many of them have to cosign.' }),
  breakGlassQuorum: Type.Union([Type.Integer(), Type.Null()], {
    description: 'How many do while the glass is broken; null where it cannot be.',
  }),
});

const instance = Type.Object({
  origin: nullableText,
  mode: Type.String(),
  banner: nullableText,
  logKey: Type.Union([Type.String(), Type.Null()], {
    description: 'The key that signs the log, as the log’s own entries name it.',
  }),
  logKeyVersion: Type.Integer({ description: 'How often the log has changed its key.' }),
  generationRotations: Type.Integer({
    description: 'How often administrators have had the keeper’s generations rotated.',
  }),
  keeperKey: nullableText,
  keeperSealingKey: nullableText,
  witnesses: Type.Union([witnessesSchema, Type.Null()], {
    description: 'Who has to cosign the log; null until administrators have appointed somebody.',
  }),
  brokenUntil: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Until when fewer witnesses do, because two administrators broke the glass.',
  }),
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
      const now = log.now();
      const witnesses = describeWitnesses(log.register, now);
      // Where it cannot be broken any more, nobody goes by fewer.
      const isBreakable = witnesses !== null && witnesses.breakGlassQuorum !== null;
      return {
        origin: genesis?.origin ?? null,
        mode,
        banner: mode === 'demo' ? DEMO_BANNER : null,
        logKey: log.register.logKeys.at(-1)?.key ?? null,
        logKeyVersion: Math.max(0, log.register.logKeys.length - 1),
        generationRotations: log.register.latestVersion('generation-rotation', ''),
        keeperKey: genesis?.keeperKey ?? null,
        keeperSealingKey: genesis?.keeperSealingKey ?? null,
        witnesses,
        brokenUntil: isBreakable ? log.register.brokenUntil(now) : null,
        activationSeconds: genesis?.activationSeconds ?? null,
        time: now,
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

/** Who has to cosign the log, as whoever checks that needs to know it. */
function describeWitnesses(register: StateDeps['log']['register'], time: number) {
  const witnessing = register.witnessing(time);
  if (witnessing === null) return null;
  const { witnesses: appointed, quorum, breakGlass } = witnessing.document;
  return {
    keys: appointed.map(({ key }) => key),
    names: witnessing.keys.map(({ name }) => name),
    count: appointed.length,
    quorum,
    breakGlassQuorum: breakGlass?.quorum ?? null,
  };
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
