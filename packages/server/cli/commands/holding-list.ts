import type { Declaration } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { openApi } from '../instance.ts';

/** `amanat holding list`: the register in one screen. */
export const holdingList: Command = {
  usage: '',
  about:
    'Lists the holdings whose declarations are in force: what is kept, by whom, and for how long.',
  example: 'amanat holding list',
  options: {},
  words: [0, 0],
  async run(call) {
    await using api = await openApi(call);
    const { holdings } = await api.get<{ readonly holdings: readonly Declaration[] }>(
      '/v1/holdings',
    );
    return {
      json: { holdings },
      lines:
        holdings.length === 0
          ? ['No holding is declared.']
          : holdings.map(
              ({ holding, version, title, controller, retentionMonths, fields }) =>
                `${holding.padEnd(24)} version ${version}, ${title.en}: ${fields.length} fields, ` +
                `${retentionMonths} months, ${controller.name.en}`,
            ),
    };
  },
};
