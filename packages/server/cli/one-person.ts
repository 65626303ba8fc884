import type { Identifier } from '@amanat/core/grants';
import type { Api } from './client.ts';
import type { Call } from './command.ts';
import { CliError, wrongUsage } from './errors.ts';
import { readInput, STANDARD_INPUT } from './files.ts';
import { identifierRule, readIdentifiers } from './identifiers.ts';
import { findHalfSigned } from './signing.ts';

/** Whom two administrators sign a document about: as a half-signed file already says, or by what was given. */
export interface OnePerson {
  /** The half-signed file to complete; null to begin. */
  readonly half: string | null;
  /** Her identifier, in the form that the instance takes. @throws CliError 'failed' */
  identify(api: Api): Promise<Identifier>;
}

/**
 * Whom such a command is about: by a half-signed file, or by one identifier from `--from`, else from standard input.
 * @param done what is done to her, for the refusal of several.
 * @throws CliError 'wrong-usage' where another word is given; 'failed'
 */
export async function onePersonOf(call: Call, done: string): Promise<OnePerson> {
  const [word] = call.arguments.words;
  const half = await findHalfSigned(word);
  if (word !== undefined && half === null) {
    throw wrongUsage(
      'only a half-signed file is given here; the identifier comes from standard input',
    );
  }
  const input =
    half === null ? await readInput(call.arguments.text('from') ?? STANDARD_INPUT, call.stdin) : '';
  return {
    half,
    async identify(api) {
      const [identifier, another] = readIdentifiers(input, await identifierRule(api));
      if (identifier === undefined || another !== undefined) {
        throw new CliError('failed', `one person is ${done} at a time: give one identifier`);
      }
      return identifier;
    },
  };
}
