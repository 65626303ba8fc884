import type { InstanceKeys, Verification, VerifiedChain, VerifiedEntry } from '@amanat/core/verify';
import { label } from '../holdings/holdings.ts';
import type { Api } from './client.ts';
import type { Printed } from './command.ts';
import { CliError } from './errors.ts';
import { readText } from './files.ts';

const KEYS_BYTES_MAX = 64 * 1024;

/** Reads the two public keys by which histories are judged. @throws CliError 'failed' */
export async function readKeys(path: string): Promise<InstanceKeys> {
  try {
    const source = JSON.parse(await readText(path, KEYS_BYTES_MAX)) as Partial<InstanceKeys>;
    const { logKey, keeperKey } = source;
    if (typeof logKey === 'string' && typeof keeperKey === 'string') return { logKey, keeperKey };
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
  }
  throw new CliError('failed', `${path} has no logKey and keeperKey`, {
    remedy: 'give JSON such as amanat init --json prints',
  });
}

/** A verification without what it was made from. */
export function verificationJson({ verified, checks, checkpoint, chains }: Verification): Printed {
  return {
    verified,
    checks,
    checkpoint,
    chains: chains.map((chain) => ({
      ...chain,
      entries: chain.entries.map(({ number, index, sound, delivered, statement }) => ({
        number,
        index,
        sound,
        delivered,
        statement,
      })),
    })),
  };
}

/** A history in words, newest first, and each check by its name. */
export async function describeVerification(
  { verified, checks, chains }: Verification,
  api: Api | null,
): Promise<string[]> {
  const agencies = api === null ? new Map<string, string>() : await agencyNames(api);
  const entries = chains.flatMap((chain) =>
    [...chain.entries].reverse().map((entry) => describeEntry(nameOf(chain), entry, agencies)),
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
  ];
}

/** A controller has a chain for each number that it was asked about before it knew whose it is. */
function nameOf({ controller, alias }: VerifiedChain): string {
  return alias ? `${controller} (by a number)` : controller;
}

function describeEntry(
  chain: string,
  { number, statement, sound, delivered }: VerifiedEntry,
  agencies: ReadonlyMap<string, string>,
): string {
  if (statement === null) return `${chain} ${number}: does not open`;
  const { time, kind, agency, purpose, legalBasis, reads, refusal } = statement;
  const who = agency === null ? '' : ` ${agencies.get(agency) ?? agency}`;
  const why = [purpose, legalBasis].flatMap((iri) => (iri === null ? [] : [label(iri, 'en')]));
  const what = reads.map(({ holding, groups }) => `${holding}: ${groups.join(', ')}`);
  const notes = [
    ...why,
    ...what,
    ...(refusal === null ? [] : [`refused: ${refusal}`]),
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
