import type { TileReader } from '@amanat/core/log';
import { tilePath } from '@amanat/core/log';
import type {
  InstanceAnswer,
  InstanceKeys,
  ReadEntry,
  Verification,
  VerifiedChain,
  Witnessed,
} from '@amanat/core/verify';
import { brokenGlassOf, readInstanceKeys } from '@amanat/core/verify';
import { label } from '../holdings/holdings.ts';
import type { Api } from './client.ts';
import type { Printed } from './command.ts';
import { CliError } from './errors.ts';
import { readText } from './files.ts';

const KEYS_BYTES_MAX = 64 * 1024;

/**
 * Reads the keys by which histories are judged, and the witnesses where the file names some. @throws CliError 'failed'
 */
export async function readKeys(path: string): Promise<InstanceKeys> {
  try {
    return readInstanceKeys(JSON.parse(await readText(path, KEYS_BYTES_MAX)));
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError(
      'failed',
      `${path} has no logKey and keeperKey, or witnesses that are none`,
      {
        cause,
        remedy: 'give JSON such as amanat init --json or GET /v1/instance gives',
      },
    );
  }
}

/** A verification without what it was made from. */
export function verificationJson({
  verified,
  checks,
  checkpoint,
  witnessed,
  chains,
}: Verification): Printed {
  return {
    verified,
    checks,
    checkpoint,
    witnessed,
    chains: chains.map((chain) => ({
      ...chain,
      entries: chain.entries.map((entry) => ({
        ...entryJson(entry),
        withheld: entry.withheld.map(entryJson),
      })),
    })),
  };
}

function entryJson({ number, index, sound, delivered, statement }: ReadEntry) {
  return { number, index, sound, delivered, statement };
}

/** A history in words, newest first, and each check by its name. */
export async function describeVerification(
  { verified, checks, witnessed, chains }: Verification,
  api: Api | null,
): Promise<string[]> {
  const agencies = api === null ? new Map<string, string>() : await agencyNames(api);
  const entries = chains.flatMap((chain) =>
    [...chain.entries]
      .reverse()
      .flatMap((entry) => [
        describeEntry(nameOf(chain), entry, agencies),
        ...entry.withheld.map((each) => `  ${describeEntry('was sealed:', each, agencies)}`),
      ]),
  );
  const completeTo = chains.map(
    (chain) =>
      `${nameOf(chain)}: ${chain.number} entries, complete to ${new Date(chain.completeTo).toISOString()}`,
  );
  return [
    ...(entries.length === 0 ? ['No entries.'] : entries),
    ...completeTo,
    '',
    ...checks.map(({ id, state, failures }) => {
      const where = failures
        .slice(0, 3)
        .map(({ reason, number }) => (number === null ? reason : `${reason} at ${number}`));
      const detail = where.length === 0 ? '' : ` (${where.join(', ')})`;
      return `  ${state.padEnd(11)} ${id}${detail}`;
    }),
    verified ? 'Verified.' : 'NOT VERIFIED.',
    ...describeWitnessed(checks, witnessed),
  ];
}

/** Who vouches that everyone is shown the same log. Where the checks have no `witnessed`, nobody has to yet. */
export function describeWitnessed(
  checks: readonly { readonly id: string }[],
  witnessed: Witnessed | null,
): readonly string[] {
  if (!checks.some(({ id }) => id === 'witnessed')) return ['Not yet witnessed.'];
  return witnessed === null ? [] : [`${describeCosigners(witnessed)}.`];
}

/** How many have cosigned of how many, and who. */
function describeCosigners({ outcome, cosigners, quorum, count }: Witnessed): string {
  const names = cosigners.map(({ name }) => name).join(', ');
  const who = names === '' ? '' : `: ${names}`;
  if (outcome === 'ok') {
    return `Cosigned by ${cosigners.length} of ${count} independent witnesses${who}`;
  }
  if (outcome === 'wrong') return 'A witness’s cosignature does not verify';
  return `Cosigned by ${cosigners.length} of ${count} witnesses, where ${quorum} have to${who}`;
}

/** What is to be told while fewer witnesses do than are appointed to. */
export function describeBrokenGlass(
  instance: Pick<InstanceAnswer, 'witnesses' | 'brokenUntil'>,
  now: number,
): readonly string[] {
  const broken = brokenGlassOf(instance, now);
  if (broken === null) return [];
  const { until, quorum, count } = broken;
  return [
    `The glass is broken until ${new Date(until).toISOString()}: two administrators let ${quorum} of ${count} witnesses do.`,
  ];
}

/** A controller has a chain for each number that it was asked about before it knew whose it is. */
function nameOf({ controller, alias }: VerifiedChain): string {
  return alias ? `${controller} (by a number)` : controller;
}

function describeEntry(
  chain: string,
  { number, statement, sound, delivered }: ReadEntry,
  agencies: ReadonlyMap<string, string>,
): string {
  if (statement === null) return `${chain} ${number}: does not open`;
  const { time, kind, agency, purpose, legalBasis, reads, refusal, seal } = statement;
  const who = agency === null ? '' : ` ${agencies.get(agency) ?? agency}`;
  const why = [purpose, legalBasis].flatMap((iri) => (iri === null ? [] : [label(iri, 'en')]));
  const what = reads.map(({ holding, groups }) => `${holding}: ${groups.join(', ')}`);
  const notes = [
    ...why,
    ...what,
    ...(refusal === null ? [] : [`refused: ${refusal}`]),
    ...(seal === null ? [] : [`until ${seal.until}, on ${label(seal.ground, 'en')}`]),
    ...(delivered ? [] : ['not delivered']),
    ...(sound ? [] : ['NOT SOUND']),
  ];
  const when = new Date(time).toISOString().slice(0, 16).replace('T', ' ');
  return `${when} ${chain} ${number}: ${kind}${who}${notes.length === 0 ? '' : ` (${notes.join('; ')})`}`;
}

async function agencyNames(api: Api): Promise<ReadonlyMap<string, string>> {
  const { agencies } = await api.get<{
    readonly agencies: readonly {
      readonly agency: string;
      readonly name: { readonly en: string };
    }[];
  }>('/v1/agencies');
  return new Map(agencies.map(({ agency, name }) => [agency, name.en]));
}

/** The log's tiles as the gateway serves them. */
export function tilesOf(api: Api): TileReader {
  return {
    readTile: (position) => api.bytes(`/${tilePath(position)}`),
  };
}
