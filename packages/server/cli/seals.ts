import { hex } from '@amanat/core/bytes';
import type { Seal, SealCount, SealRules, Signed } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { SigningKey } from '@amanat/core/keys';
import type { Api } from './client.ts';
import { CliError, wrongUsage } from './errors.ts';
import { findTerm } from './holdings.ts';
import { signDocument } from './keys.ts';
import type { Arguments, OptionSet } from './options.ts';
import type { Random } from './requests.ts';

/** GET /v1/seals */
export interface SealsAnswer {
  readonly rules: SealRules | null;
  readonly counts: readonly SealCount[];
}

/** Options by which a seal is asked for. @param prefix before each name */
export function sealOptions(prefix: string): OptionSet {
  return {
    [`${prefix}ground`]: {
      value: 'G',
      help: 'a ground of the seal rules: its IRI, or its last part',
    },
    [`${prefix}until`]: { value: 'DATE', help: 'YYYY-MM-DD (UTC): it opens by itself a day later' },
  };
}

/**
 * The seal that a command's options ask for; null where they ask for none.
 * @throws CliError 'wrong-usage' where one of the two is missing; 'refused' where no rules are in force
 */
export async function readSeal(words: Arguments, prefix: string, api: Api): Promise<Seal | null> {
  const ground = words.text(`${prefix}ground`);
  const until = words.text(`${prefix}until`);
  if (ground === null && until === null) return null;
  if (ground === null || until === null) {
    throw wrongUsage(`--${prefix}ground and --${prefix}until belong together`);
  }
  if (!/^\d{4}-\d{2}-\d{2}$/.test(until)) throw wrongUsage(`--${prefix}until is YYYY-MM-DD`);
  const { rules } = await api.get<SealsAnswer>('/v1/seals');
  if (rules === null) {
    throw new CliError('refused', 'no seal rules are in force: nothing can be sealed', {
      reason: 'seal-undeclared-agency',
      remedy: 'two administrators declare them with amanat seals declare',
    });
  }
  const grounds = rules.grounds.map((each) => each.ground);
  return { ground: findTerm(ground, grounds, `--${prefix}ground`), until };
}

/** Signs the extension of a seal. @throws CoreError 'bad-document' where a member is not in its form */
export function signExtension(
  key: SigningKey,
  { index, ground, until }: Seal & { readonly index: number },
  { now, random }: { readonly now: number; readonly random: Random },
): Signed {
  const document = writeDocument<'seal-extension'>({
    type: 'seal-extension',
    seal: index,
    ground,
    until,
    nonce: hex(random(16)),
    time: now,
  });
  return { document, signatures: [signDocument(key, document)] };
}
