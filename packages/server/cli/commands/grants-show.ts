import type { Grants } from '@amanat/core/grants';
import type { Command } from '../command.ts';
import { describeGrants } from '../grants-file.ts';
import { openApi } from '../instance.ts';

/** `amanat grants show`: who may read what. */
export const grantsShow: Command = {
  usage: '',
  about: 'Shows the grants table in force, row by row. What no row permits is refused.',
  example: 'amanat grants show',
  options: {},
  words: [0, 0],
  async run(call) {
    await using api = await openApi(call);
    const { grants } = await api.get<{ readonly grants: Grants | null }>('/v1/grants');
    return {
      json: { grants },
      lines:
        grants === null
          ? ['No grants table is in force: every request is refused.']
          : [`Grants table, version ${grants.version}:`, ...describeGrants(grants)],
    };
  },
};
