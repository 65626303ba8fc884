import type { Declaration } from '@amanat/core/grants';
import type { Api } from './client.ts';
import { CliError } from './errors.ts';
import type { Arguments } from './options.ts';

/** A holding's declaration as it is in force. @throws CliError 'refused' where there is none */
export async function fetchDeclaration(api: Api, holding: string): Promise<Declaration> {
  try {
    const answer = await api.get<{ readonly declaration: Declaration | null }>(
      `/v1/holdings/${encodeURIComponent(holding)}`,
    );
    if (answer.declaration !== null) return answer.declaration;
  } catch (error) {
    if (!(error instanceof CliError) || error.reason !== 'not-found') throw error;
  }
  throw new CliError(
    'refused',
    `no holding of the name ${holding} is declared, or not yet in force`,
    {
      reason: 'undeclared-holding',
      remedy: 'declare it with amanat holding declare; amanat holding list shows what there is',
    },
  );
}

/**
 * A term's full IRI from what was typed: the IRI itself, or its last part where only one of the terms declared ends so.
 * @throws CliError 'failed' naming the terms that are declared
 */
export function findTerm(typed: string, declared: readonly string[], what: string): string {
  if (typed.includes('#') || typed.startsWith('amanat:')) return typed;
  const terms = [...new Set(declared)];
  const found = terms.filter((term) => term.split(/[#:]/).at(-1) === typed);
  if (found.length === 1) return found[0] as string;
  throw new CliError('failed', `${what} is none of those declared, or more than one`, {
    reason: 'unknown-term',
    remedy: `declared are: ${terms.join(', ')}`,
  });
}

/** A purpose and a legal basis, as IRIs. */
export interface Terms {
  readonly purpose: string;
  readonly legalBasis: string;
}

/**
 * The purpose and the legal basis of a command's arguments, each found among those that the holdings declare.
 * @throws CliError where one is missing, 'wrong-usage', or not declared
 */
export function readTerms(words: Arguments, declarations: readonly Declaration[]): Terms {
  const find = (option: string, declared: readonly string[]) =>
    findTerm(words.required(option), declared, `--${option}`);
  return {
    purpose: find(
      'purpose',
      declarations.flatMap(({ purposes }) => purposes),
    ),
    legalBasis: find(
      'legal-basis',
      declarations.flatMap(({ legalBases }) => legalBases),
    ),
  };
}

/** The declarations of the holdings named, in their order. @throws CliError 'refused' where one is missing */
export async function fetchDeclarations(
  api: Api,
  holdings: readonly { readonly holding: string }[],
): Promise<readonly Declaration[]> {
  const found: Declaration[] = [];
  for (const { holding } of holdings) found.push(await fetchDeclaration(api, holding));
  return found;
}
