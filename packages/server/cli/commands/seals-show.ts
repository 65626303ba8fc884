import type { Command } from '../command.ts';
import { openApi } from '../instance.ts';
import { describeSealRules } from '../seal-rules-file.ts';
import type { SealsAnswer } from '../seals.ts';

/** `amanat seals show`: what may be withheld, and what was. */
export const sealsShow: Command = {
  usage: '',
  about:
    'Shows the rules by which a look-up may be withheld until a date, and the keeper’s counts of what was, by agency and ' +
    'month.',
  example: 'amanat seals show',
  options: {},
  words: [0, 0],
  async run(call) {
    await using api = await openApi(call);
    const { rules, counts } = await api.get<SealsAnswer>('/v1/seals');
    return {
      json: { rules, counts },
      lines: [
        ...(rules === null
          ? ['No seal rules are in force: nothing can be sealed.']
          : describeSealRules(rules)),
        ...counts.map(
          ({ agency, month, sealed, extended, opened, refused, awaited }) =>
            `${month} ${agency}: ${sealed} sealed, ${extended} extended, ${opened} opened, ` +
            `${refused} refused, ${awaited} for want of a second person`,
        ),
      ],
    };
  },
};
