import type { Declaration } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { openApi } from '../instance.ts';

interface Listed {
  readonly holdings: readonly Declaration[];
  readonly upcoming: readonly { readonly declaration: Declaration; readonly from: number }[];
}

/** `amanat holding list`: the register in one screen. */
export const holdingList: Command = {
  usage: '',
  about:
    'Lists what is declared: what is kept, by whom, and for how long; and what is declared and not yet in force.',
  example: 'amanat holding list',
  options: {},
  words: [0, 0],
  async run(call) {
    await using api = await openApi(call);
    const { holdings, upcoming } = await api.get<Listed>('/v1/holdings');
    const lines = [
      ...holdings.map(describe),
      ...upcoming.map(
        ({ declaration, from }) =>
          `${describe(declaration)}; in force from ${new Date(from).toISOString()}`,
      ),
    ];
    return {
      json: { holdings, upcoming },
      lines: lines.length === 0 ? ['No holding is declared.'] : lines,
    };
  },
};

function describe({ holding, version, title, controller, retentionMonths, fields }: Declaration) {
  return (
    `${holding.padEnd(24)} version ${version}, ${title.en}: ${fields.length} fields, ` +
    `${retentionMonths} months, ${controller.name.en}`
  );
}
