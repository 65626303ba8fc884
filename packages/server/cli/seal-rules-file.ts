import type { SealRules } from '@amanat/core/grants';
import { writeDocument } from '@amanat/core/grants';
import type { PlainValue } from '../holdings/holdings.ts';
import { label } from '../holdings/holdings.ts';
import { CliError } from './errors.ts';
import { expected, integerOf, membersOf, textOf } from './yaml-file.ts';

/** Seal rules as their file has them, before they have a version. */
export type SealRulesFile = Pick<SealRules, 'jurisdiction' | 'grounds' | 'agencies'>;

/**
 * Reads seal rules from plain YAML data: the jurisdiction, its grounds with their longest time and the law that says so,
 * and who may seal how many at a time. What is not known is refused by place. `seals/rules.schema.json` says the same for
 * other tools.
 * @throws CliError 'failed'
 */
export function parseSealRules(value: PlainValue): SealRulesFile {
  const rules = membersOf(value, 'rules', ['jurisdiction', 'grounds', 'agencies']);
  const file = {
    jurisdiction: textOf(rules.jurisdiction, 'jurisdiction'),
    grounds: listOf(rules.grounds, 'grounds').map((each, at) => {
      const place = `ground ${at + 1}`;
      const ground = membersOf(each, place, ['ground', 'title', 'days at most', 'source']);
      const title = membersOf(ground.title, `${place}, title`, ['en', 'ur']);
      return {
        ground: textOf(ground.ground, `${place}, ground`),
        title: {
          en: textOf(title.en, `${place}, title, en`),
          ur: textOf(title.ur, `${place}, title, ur`),
        },
        daysMax: integerOf(ground['days at most'], `${place}, days at most`),
        source: textOf(ground.source, `${place}, source`),
      };
    }),
    agencies: listOf(rules.agencies, 'agencies').map((each, at) => {
      const place = `agency ${at + 1}`;
      const agency = membersOf(each, place, ['agency', 'sealed at a time']);
      return {
        agency: textOf(agency.agency, `${place}, agency`),
        openMax: integerOf(agency['sealed at a time'], `${place}, sealed at a time`),
      };
    }),
  };
  try {
    // Everything else that rules must be is the document's own to say.
    writeDocument<'seal-rules'>({ type: 'seal-rules', version: 1, ...file, time: 0 });
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : 'no rules';
    throw new CliError('failed', message, { cause, reason: 'bad-value' });
  }
  return file;
}

function listOf(value: PlainValue | undefined, place: string): readonly PlainValue[] {
  if (!Array.isArray(value)) throw expected(place, 'a list');
  return value as readonly PlainValue[];
}

/** Seal rules in words. */
export function describeSealRules({ jurisdiction, grounds, agencies }: SealRulesFile): string[] {
  return [
    `Look-ups may be withheld from whom they are about, by the law of: ${jurisdiction}`,
    ...grounds.flatMap(({ ground, title, daysMax, source }) => [
      `${title.en} (${label(ground, 'en')})`,
      `  ground        ${ground}`,
      `  days at most  ${daysMax}, counted from the look-up`,
      `  source        ${source}`,
    ]),
    ...(grounds.length === 0 ? ['No ground: nothing can be sealed.'] : []),
    ...agencies.map(({ agency, openMax }) => `${agency}: at most ${openMax} sealed at a time`),
    ...(agencies.length === 0 ? ['No agency may seal.'] : []),
  ];
}
