import type { Witnesses } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { openApi } from '../instance.ts';

/** `amanat witnesses show`: who has to cosign the log. */
export const witnessesShow: Command = {
  usage: '',
  about: 'Shows who has to cosign the log, how many of them, and what a broken glass asks for.',
  example: 'amanat witnesses show',
  options: {},
  words: [0, 0],
  async run(call) {
    await using api = await openApi(call);
    const found = await api.get<{
      readonly witnesses: Witnesses | null;
      readonly witnessing: string;
    }>('/v1/witnesses');
    const { witnesses, witnessing } = found;
    return {
      json: { ...found },
      lines:
        witnesses === null
          ? ['The log is not yet witnessed.']
          : [
              `The log is ${witnessing}.`,
              ...witnesses.witnesses.map(({ key, url }) => `  ${key}  ${url}`),
              `  as many as ${witnesses.faulty} may lie`,
              witnesses.breakGlass === null
                ? '  the glass cannot be broken'
                : `  a broken glass asks for ${witnesses.breakGlass.quorum}, for ${witnesses.breakGlass.releases} releases`,
            ],
    };
  },
};
